package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// A Pool is a set of worker processes. Calls are functions, since Go's methods have no type
// parameters: pool.Apply(ctx, p, task, arg), and [Map], [IMap], [ApplyAsync]. It may be used by any
// number of goroutines.
type Pool struct {
	core  *parent.Pool // all but the types of tasks
	label string
}

// New starts the workers of a pool. When ctx ends, the pool is terminated as by [Pool.Terminate].
// The caller closes the pool. It waits until one worker takes tasks, or all do when there are
// resources.
//
// Errors: [ErrNoMain]; [ErrTooDeep]; bad options; why a resource did not open; a worker that cannot
// start, with its exit code and the last it wrote; what keeps shared memory from being made. When a
// resource of a worker that is started later does not open, the pool ends with that error.
func New(ctx context.Context, o Options) (*Pool, error) {
	if err := child.NeedMain(); err != nil {
		return nil, err
	}
	if _, err := child.NextDepth(); err != nil {
		return nil, err
	}
	return newPool(ctx, o, parent.Processes{})
}

// NewLocal is [New] with goroutines of this process for workers: the same functions with the same
// results and errors, for tests, for debuggers, and for programs that want to choose. Arguments and
// results are copied as between processes, so that what cannot travel is found here, too. [Main]
// need not be called.
//
// What differs: os.Exit and a fault in a task end the program. A task cannot be killed: one that is
// past its hard deadline, or goes on after the grace of [Pool.Terminate], is left alone, with its
// goroutine, until it returns. Options.RecycleMemory and MemoryLimit mean nothing, nor do Env, Dir,
// Files, CPUs, Nice, GOMAXPROCS and Stdout. A worker's process id is that of this process.
func NewLocal(ctx context.Context, o Options) (*Pool, error) {
	o.RecycleMemory, o.MemoryLimit, o.Files = 0, 0, nil
	return newPool(ctx, o, parent.Goroutines{})
}

func newPool(ctx context.Context, o Options, kind parent.Kind) (*Pool, error) {
	core, err := o.complete()
	if err != nil {
		return nil, err
	}
	p := &Pool{label: o.Label}
	if p.core, err = parent.New(ctx, core, kind); err != nil {
		return nil, err
	}
	return p, nil
}

// Resize changes how many workers there are, from 1 to 480. New ones are started in the background;
// of those that are too many each finishes its task first. It does not block.
//
// Errors: a number that cannot be; [ErrClosed].
func (p *Pool) Resize(workers int) error {
	if workers < 1 || workers > tasktable.MaxWorkers {
		return fmt.Errorf("pool: resize to %d workers: must be from 1 to %d", workers, tasktable.MaxWorkers)
	}
	return p.core.Resize(workers)
}

// Restart replaces all workers, one after another, so that no task is lost and nearly all workers
// are there at all times. It is for what workers have read when they started, or have leaked. Each
// finishes its task first, and closes its resources; the next one follows when the new worker takes
// tasks. Workers that have ended because they were idle are not started for it.
//
// It blocks until all have been replaced. When ctx ends before, the worker that was asked to end
// still does, and the others stay.
//
// Errors: the cause of the end of ctx; [ErrClosed]; why the pool has ended.
func (p *Pool) Restart(ctx context.Context) error { return p.core.Restart(ctx) }

// Close lets the tasks that were submitted finish, ends the workers, and frees everything. New
// tasks are refused with [ErrClosed]. Close blocks until all tasks are done, also those without a
// caller. To end at once, call p.Terminate(0) instead; [Pool.Finish] drops the tasks that wait.
// Close may be called again.
//
// Errors: of the handler of Options.Log; of closing the shared memory.
func (p *Pool) Close() error { return p.core.Close() }

// Finish is [Pool.Close] that drops the tasks which no worker has begun: their calls fail with
// [ErrClosed]. Those that run finish, and their results are delivered. A task that loses its worker
// runs again, one that fails does not.
//
// Errors: of closing the shared memory.
func (p *Pool) Finish() error { return p.core.Finish() }

// Terminate ends the pool now: tasks that wait are dropped, contexts of tasks that run end, and
// workers that have not ended after the grace are killed. Calls that wait for results return
// [ErrClosed]. It blocks until all is done, and may be called again; the first grace counts.
//
// Errors: of closing the shared memory.
func (p *Pool) Terminate(grace time.Duration) error { return p.core.Terminate(grace) }

// Join waits until the pool has ended, by [Pool.Close], [Pool.Terminate] or an error, and all is
// freed. It ends nothing itself.
//
// Errors: the cause of the end of ctx; of closing the shared memory.
func (p *Pool) Join(ctx context.Context) error { return p.core.Join(ctx) }
