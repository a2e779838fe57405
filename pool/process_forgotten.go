package pool

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// mainDelay is how long a process that was started as a worker or a [Process] may be in main without calling [Main].
const mainDelay = 500 * time.Millisecond

// init has a process that shall come to Main see to it that it does: otherwise it would do again whatever
// the program does, while the parent waits.
func init() {
	if startedHere() {
		go awaitMain()
	}
}

// startedHere says whether this process was started as a worker or a [Process], and has not come to Main yet.
func startedHere() bool { return os.Getenv(processEnv) != "" || os.Getenv(workerEnv) != "" }

// needMain is an error when Main was not called. A process that was started by this package ends
// there: it must not start others itself.
func needMain() error {
	if mainCalled.Load() {
		return nil
	}
	if startedHere() {
		exitForgotten()
	}
	return ErrNoMain
}

// awaitMain ends this process when it does something else than to call Main. Initialising packages may take as long as it likes.
// It counts naps, not time, so that a process that gets no processor is not blamed for it.
func awaitMain() {
	const nap = 10 * time.Millisecond
	for naps := time.Duration(0); naps < mainDelay; naps += nap {
		time.Sleep(nap)
		if mainCalled.Load() {
			return
		}
	}
	for !mainCalled.Load() {
		if inMain() {
			exitForgotten()
		}
		time.Sleep(nap * 10)
	}
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
