package proctest

import (
	"os/exec"
	"runtime"
	"sync"
)

// starts hands work to the one thread that starts processes. The kernel sends the parent-death
// signal when the thread that started a child ends, not when the process does, so that thread must
// be one that never ends.
var starts = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go serveStarts(work)
	return work
})

func serveStarts(work <-chan func()) {
	runtime.LockOSThread()
	for f := range work {
		f()
	}
}

// StartBound starts cmd so that it is killed when this process ends in any way, even if it is
// stopped at that time.
func StartBound(cmd *exec.Cmd) error {
	bind(cmd)
	result := make(chan error)
	starts() <- func() { result <- cmd.Start() }
	return <-result
}
