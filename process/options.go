package process

import (
	"fmt"
	"io"
	"os"

	"github.com/shmkit/shmkit/internal/child"
)

// Options say how a [Process] runs. The zero value is a process like this one.
type Options struct {
	// Name is what logs and errors call it; "" means Process-N, the N'th of this process.
	Name string

	// Daemon says that it ends with this process, in whatever way that ends: its task's context
	// ends at once, and half a second later it is killed with its process group. Without it, it
	// goes on alone, unless a Ctrl-C has ended this process: then its task's context ends, too, and
	// it is killed two seconds later. Before Linux 6.15 it may not notice that.
	Daemon bool

	// Env is more environment, as key=value. It inherits that of this process.
	Env []string

	// Dir is its working directory; "" means that of this process.
	Dir string

	// Files become its descriptors 4, 5, …; the task finds them in [Current]. The caller keeps
	// them, and may close them after Start. The process inherits no others.
	Files []*os.File

	// Stdout and Stderr are where its output goes; nil means that of this process. If they are not
	// an [*os.File], it goes by this process, and cannot be written any more when that has ended.
	Stdout, Stderr io.Writer

	// CPUs are the processors that it may run on, from 0; none means all that this process has.
	// GOMAXPROCS follows.
	CPUs []int

	// Nice is its niceness, from -20, the most favourable, to 19; 0 means that of this process.
	// Less than that of this process needs a privilege.
	Nice int

	// GOMAXPROCS is its own: how many of its threads execute Go code at once; 0 means as many as
	// there are processors for it, or what GOMAXPROCS in the environment says.
	GOMAXPROCS int

	// Memory limits its private memory in bytes; 0 means no limit. Shared memory does not count,
	// the program's own tables do: a Go program begins with about 40 MiB, and with cgo each thread
	// adds its stack of, as a rule, 8 MiB. The garbage collector works harder to stay below. At the
	// limit the Go runtime ends the process with exit code 2; where in the runtime that is, decides
	// what it writes about it.
	Memory int64
}

// complete fills in what is open, and refuses what can never be right.
func (o Options) complete() (Options, error) {
	if err := o.surroundings().Check(); err != nil {
		return o, fmt.Errorf("process: %w", err)
	}
	if o.Name == "" {
		o.Name = fmt.Sprintf("Process-%d", processes.Add(1))
	}
	return o, nil
}

func (o Options) surroundings() child.Surroundings {
	return child.Surroundings{
		Env: o.Env, Files: o.Files, CPUs: o.CPUs, Nice: o.Nice, Procs: o.GOMAXPROCS, Memory: o.Memory,
	}
}
