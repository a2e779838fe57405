package pool

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/shmkit/shmkit/internal/child"
)

// surroundings are what [Options] and [ProcessOptions] have in common: in what a new process runs.
type surroundings struct {
	env    []string
	files  []*os.File
	cpus   []int
	nice   int
	procs  int   // GOMAXPROCS
	memory int64 // bytes
}

// check refuses what can never be right.
func (s surroundings) check() error {
	for i, f := range s.files {
		if f == nil {
			return fmt.Errorf("pool: Files[%d]: must not be nil", i)
		}
	}
	for _, e := range s.env {
		if strings.IndexByte(e, '=') <= 0 || strings.ContainsRune(e, 0) {
			return fmt.Errorf("pool: Env: %q: must be key=value", e)
		}
	}
	for _, cpu := range s.cpus {
		if cpu < 0 {
			return fmt.Errorf("pool: CPUs: processor %d: must not be negative", cpu)
		}
	}
	switch {
	case s.nice < -20 || s.nice > 19:
		return fmt.Errorf("pool: Nice: niceness %d: must be from -20 to 19", s.nice)
	case s.procs < 0:
		return fmt.Errorf("pool: GOMAXPROCS: %d: must not be negative", s.procs)
	case s.memory < 0:
		return fmt.Errorf("pool: memory limit of %d bytes: must not be negative", s.memory)
	}
	return nil
}

func (s surroundings) limits() child.Limits {
	return child.Limits{CPUs: s.cpus, Nice: s.nice, Procs: s.procs, Memory: s.memory}
}

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
func (o Options) surroundings(workers int) surroundings {
	return surroundings{o.Env, o.Files, o.CPUs, o.Nice, o.share(workers), o.MemoryLimit}
}

func (o ProcessOptions) surroundings() surroundings {
	return surroundings{o.Env, o.Files, o.CPUs, o.Nice, o.GOMAXPROCS, o.Memory}
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

// inheritedFiles are the files with those names that follow descriptor fd.
func inheritedFiles(fd int, names []string) ([]*os.File, error) {
	files := make([]*os.File, len(names))
	for i, name := range names {
		var err error
		if files[i], err = child.Inherited(fd+1+i, name); err != nil {
			return nil, fmt.Errorf("option Files[%d]: %w", i, err)
		}
	}
	return files, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// namesOfFiles are what a new process is told of its files.
func namesOfFiles(files []*os.File) (names []string) {
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}
