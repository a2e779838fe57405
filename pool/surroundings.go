package pool

import (
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/child"
)

// MachineShare is an Options.GOMAXPROCS: each worker gets its share of the processors that the pool
// may run on. It is the number of those divided by the number of workers, and at least 1.
const MachineShare = -1

// share is the GOMAXPROCS of a worker of a pool of that size, 0 where it is not limited.
func (o Options) share(workers int) int {
	if o.GOMAXPROCS != MachineShare {
		return o.GOMAXPROCS
	}
	machine := len(o.CPUs)
	if machine == 0 {
		machine = runtime.GOMAXPROCS(0)
	}
	return max(machine/max(workers, 1), 1)
}

// surroundings are those of a worker of a pool of that size.
func (o Options) surroundings(workers int) child.Surroundings {
	return child.Surroundings{
		Env: o.Env, Files: o.Files, CPUs: o.CPUs, Nice: o.Nice, Procs: o.share(workers), Memory: o.MemoryLimit,
	}
}

// A serialWriter passes on one Write at a time of several processes.
type serialWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *serialWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// outputFor is where the standard output of several processes goes that shall go to w. A file they
// share.
func outputFor(w io.Writer) io.Writer {
	if _, ok := w.(*os.File); ok || w == nil {
		return w
	}
	return &serialWriter{to: w}
}
