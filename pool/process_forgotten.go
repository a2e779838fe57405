package pool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/environ"
)

// mainDelay is how long a process that was started as a worker or a [Process] may be in main, at
// least, without calling [Main].
const mainDelay = 300 * time.Millisecond

// init has a process that shall come to Main see to it that it does: otherwise it would do again
// whatever the program does, while the parent waits.
func init() {
	if startedHere() {
		go awaitMain()
	}
}

// startedHere says whether this process was started as a worker or a [Process], and has not come to
// Main yet.
func startedHere() bool {
	for _, key := range []string{processEnv, workerEnv} {
		if _, ok := environ.Lookup(key); ok {
			return true
		}
		if child.IsOpen(linkFD) { // otherwise no order can have been removed
			if _, ok := environ.Order(key); ok {
				return true
			}
		}
	}
	return false
}

// needMain is an error when Main was not called. A process that was started by this package ends
// there: it must not start others itself.
func needMain() error {
	switch {
	case environ.Secure():
		return errors.New("pool: this program runs with more rights than its caller (set-user-ID, set-group-ID or file " +
			"capabilities), so that its workers would take no orders: start them from a program without these rights")
	case mainCalled.Load():
		return nil
	case startedHere():
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
	os.Exit(exitNoMain)
}
