package parent

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/worker"
	"github.com/shmkit/shmkit/shmlog"
)

// Options are those of package pool, which documents, completes and checks them.
type Options struct {
	Workers           int
	Task              TaskOptions
	Label             string
	MinWorkers        int
	Attempts          int
	Backlog           int
	Memory            int64
	Grace             time.Duration
	Resources         []worker.BoundResource
	MaxTasksPerWorker int
	RecycleMemory     int64
	MaxFailedStarts   int
	IdleTimeout       time.Duration
	OnWorkerStart     func(WorkerStart)
	OnWorkerExit      func(WorkerExit)
	Log               slog.Handler
	LogOptions        shmlog.Options
	Env               []string
	Dir               string
	Files             []*os.File
	Stdout, Stderr    io.Writer
	Carry             func(ctx context.Context) Carry

	// Surroundings are those of a worker of a pool of so many.
	Surroundings func(workers int) child.Surroundings

	Errors Errors
}

// Errors makes the errors whose types package pool declares.
type Errors struct {
	// Died is the error of a task that its workers have died of.
	Died func(task string, attempts int, last WorkerExit) error

	// Late is the error of a task that ran past its hard deadline.
	Late func(task string, limit time.Duration, stack string) error

	// End is how a task has ended that has one of the errors of Died and Late, or another one, and
	// no result.
	End func(error) tasktable.End

	// Refused is why a worker could not open its resources.
	Refused func(f task.Failure) error
}

// A Task is what the parent knows of a task.
type Task struct {
	ID      uint64
	Name    string
	Options TaskOptions
}

// TaskOptions are those of package pool, with the same fields.
type TaskOptions struct {
	SoftDeadline time.Duration
	HardDeadline time.Duration
	Attempts     int
	Retry        func(attempt int, err error) (again bool, after time.Duration)
	Deaf         time.Duration
	Chunk        int
}

// Defaults are the options of a task with those of the pool where it has none.
func (p *Pool) Defaults(o TaskOptions) TaskOptions {
	d := &p.options.Task
	o.SoftDeadline, o.HardDeadline, o.Deaf = cmp.Or(o.SoftDeadline, d.SoftDeadline), cmp.Or(o.HardDeadline, d.HardDeadline), cmp.Or(o.Deaf, d.Deaf)
	o.Attempts, o.Chunk = cmp.Or(o.Attempts, d.Attempts, p.options.Attempts), cmp.Or(o.Chunk, d.Chunk)
	if o.Retry == nil {
		o.Retry = d.Retry
	}
	return o
}

// worker is what worker number n is told.
func (p *Pool) worker(n int) worker.Config {
	idle := p.options.IdleTimeout
	if n < p.options.MinWorkers {
		idle = 0
	}
	return worker.Config{
		Number: uint32(n), Slots: len(p.table.Slots), Parent: uint32(p.table.Mem.Me()), ParentName: child.Current().Name, ParentPID: os.Getpid(),
		MaxTasks: p.options.MaxTasksPerWorker, RecycleMemory: p.options.RecycleMemory, IdleTimeout: idle, Label: p.options.Label,
		Resources: p.resources, Files: child.FileNames(p.files), Memory: p.room.limit, Log: worker.LogConfigFor(p.options.Log, &p.options.LogOptions),
	}
}
