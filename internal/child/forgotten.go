package child

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/environ"
)

// mainDelay is how long a process that was started as a child may be in main, at least, without
// calling [Main].
const mainDelay = 300 * time.Millisecond

// init has a process that must come to [Main] see to it that it does: otherwise it would do again
// whatever the program does, while the parent waits.
func init() {
	if startedAsChild() {
		go awaitMain()
	}
}

// NeedMain returns an error when Main was not called. A process that was itself started as a child
// ends here: it must not start others.
//
// Errors: [ErrNoMain]; the program takes no orders from its environment.
func NeedMain() error {
	switch {
	case environ.Secure():
		return errors.New("pool: this program runs with more rights than its caller (set-user-ID, set-group-ID or file " +
			"capabilities), so that its workers would take no orders: start them from a program without these rights")
	case mainCalled.Load():
		return nil
	case startedAsChild():
		exitForgotten()
	}
	return ErrNoMain
}

// awaitMain ends this process when it does something else than to call Main. Initialising packages
// may take as long as it likes: only what was in main before and after a delay has forgotten it.
func awaitMain() {
	for wasInMain := false; ; wasInMain = inMain() {
		if mainComes() {
			return
		}
		if wasInMain {
			exitForgotten()
		}
	}
}

// mainComes waits for Main for a while. It counts naps, not time, so that a process that gets no
// processor is not blamed for it.
func mainComes() bool {
	const nap = 10 * time.Millisecond
	for range mainDelay / nap {
		time.Sleep(nap) // main may come at any time
		if mainCalled.Load() {
			return true
		}
	}
	return false
}

// inMain says whether the program is past the initialisation of its packages.
func inMain() bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Contains(string(stacks), "\nmain.main()\n")
}

func exitForgotten() {
	fmt.Fprintln(os.Stderr, ErrNoMain)
	os.Exit(ExitNoMain)
}
