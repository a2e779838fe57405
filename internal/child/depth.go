package child

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/shmkit/shmkit/internal/environ"
)

// MaxDepth is how many living ancestors a process may have that were started by the toolkit, or
// have started others by it. A process with that many cannot start more. Ancestors that have ended
// do not count, so that a service may start its successor and end, as often as it likes.
const MaxDepth = 8

// ErrTooDeep says that this process is at [MaxDepth] and cannot start others.
var ErrTooDeep = errors.New("pool: processes are nested too deep")

// depthEnv tells a process its ancestors: an [Identity] for each, the first first, with
// commas between. It stays in the environment, so that no program in between breaks the count.
const depthEnv = "SHMKIT_POOL_DEPTH"

// ancestors are the processes above this one that have not ended. It reports false when the
// environment makes no sense.
func ancestors() (living []Identity, ok bool) {
	value, _ := environ.Order(depthEnv)
	if value == "" {
		return nil, true
	}
	if n, err := strconv.Atoi(value); err == nil { // a number of those that are not known
		if n < 0 || n > MaxDepth {
			return nil, false
		}
		return make([]Identity, n), true
	}
	for text := range strings.SplitSeq(value, ",") {
		id, err := ParseIdentity(text)
		if err != nil {
			return nil, false
		}
		if !id.Ended() {
			living = append(living, id)
		}
	}
	return living, true
}

// Depth is how many living ancestors this process has.
func Depth() int {
	living, ok := ancestors()
	if !ok {
		return MaxDepth // what has written that must not go on
	}
	return len(living)
}

// NextDepth returns the environment variable that tells a new process its ancestors.
//
// Errors: [ErrTooDeep].
func NextDepth() (environment string, err error) {
	living, ok := ancestors()
	if !ok || len(living) >= MaxDepth {
		return "", fmt.Errorf("%w: this one is %d deep, and at most %d are allowed", ErrTooDeep, Depth(), MaxDepth)
	}
	var b strings.Builder
	for _, id := range append(living, Self()) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(id.String())
	}
	return depthEnv + "=" + b.String(), nil
}
