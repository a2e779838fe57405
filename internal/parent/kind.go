package parent

import (
	"context"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/linemux"
)

// A Kind is a sort of worker.
type Kind interface {
	// launch starts the worker of a supervisor.
	launch(c *supervisor, stderr *linemux.Writer) (host, error)

	// isLocal says that the workers are in this process. Then the blocks that they allocate are the
	// parent's from the start; and what does not end at an order cannot be killed, but is left
	// alone, so that it may still use its slot.
	isLocal() bool

	// begin prepares for workers, before the first is started.
	begin(ctx context.Context, p *Pool) error
}

// A host is where a worker lives: a process, or a goroutine of this one.
type host interface {
	PID() int
	Wait() child.Exit
	Terminate() error
	Kill() error
	Usage() (child.Usage, error)
}

// Processes are workers that are processes, of the program of this one.
type Processes struct{}

func (Processes) isLocal() bool { return false }

func (Processes) begin(context.Context, *Pool) error { return nil }

// Goroutines are workers that are goroutines of this process.
type Goroutines struct{}

func (Goroutines) isLocal() bool { return true }

func (Goroutines) begin(context.Context, *Pool) error { return nil }
