//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shm"
)

// A change that its context ended names the object, the process that has it locked, and since when.
func TestTimeoutsNameTheHolder(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	v, a, holder := held(t, seg)
	for name, change := range map[string]func(context.Context) error{
		"v": func(ctx context.Context) error { return v.Store(ctx, 1) },
		"a": func(ctx context.Context) error { return a.Update(ctx, func([]int64) error { return nil }) },
	} {
		//clock: the time-out is the subject
		ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
		err := change(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, part := range []string{fmt.Sprintf("%q of %s", name, seg.Path()), "locked by", fmt.Sprintf("(pid %d) since", holder.PID())} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
	}
	holder.Send("go on")
	holder.WaitOK()
}
