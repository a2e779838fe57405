// Package engine is where a pool meets what runs its tasks elsewhere, such as on other machines.
//
// A pool has workers of one kind: processes, goroutines, or a bridge. The bridge is a single worker
// that takes many tasks at once and hands their bytes to an [Engine]. The pool keeps what it keeps
// for every worker: the slots with the arguments until their results are there, the waiters, the
// futures, the chunks, retries and cancellation.
//
// At the other end, [Run] puts the bytes of a task into a pool of processes as they are.
//
// Package pool registers its functions here, since the packages that use an engine have no other
// way to them: they are no part of its public API.
package engine

import (
	"context"
	"errors"
	"time"
)

// An Engine runs tasks elsewhere. Its methods may be called by any number of goroutines.
type Engine interface {
	// Submit takes a task, or a chunk. The result comes by the [Deliver] of the engine, and may
	// come before Submit returns. Submit may wait for room as long as the pool has to wait for it;
	// it returns when Close is called. The tasks of a pool are submitted one after the other, in
	// their order.
	//
	// An error is the result of the task.
	Submit(Call) error

	// Cancel says that no caller waits for the result of that call any more. A call that has not
	// begun is dropped, the context of one that runs ends. A result is delivered for each call all
	// the same, with whatever error: until then the call keeps its slot. Cancel does not wait.
	Cancel(id uint64)

	// Close ends the engine, once, and waits until all is ended. With abandon, no caller waits for
	// results any more: the contexts of the tasks that run end, and their workers are killed after
	// the grace. Without it all results have been delivered before. When ctx ends, Close returns as
	// soon as it can.
	Close(ctx context.Context, abandon bool, grace time.Duration)

	// Capacity is how many tasks run at once now, at all places together, at least 1: chunks and
	// the number of tasks that are under way are made by it.
	Capacity() int

	// Overhead is about how long a call takes beside the tasks in it: chunks are made so large that
	// this counts little.
	Overhead() time.Duration

	// Stats is what is known of the workers. It may wait for answers for as long as ctx says.
	Stats(ctx context.Context) Stats
}

// Start starts an engine for a pool. The engine calls deliver for the result of each call, once or
// more often: the first one counts. ctx is that of New. Start waits until tasks can run.
type Start func(ctx context.Context, deliver Deliver) (Engine, error)

// Deliver takes a result. Its bytes are read before Deliver returns. A result that is late, or
// doubled, or has the id of no call, has no effect: it reports whether the result was the one
// that counts. Deliver waits for room in the memory of the pool.
type Deliver func(Result) bool

// A Call is one slot of a pool: a task with its argument, or a chunk of Count arguments.
type Call struct {
	ID        uint64 // of this attempt, in this pool; none is 0
	Task      string // name
	Signature uint64 // of the task: of its name, its types, and the way their values are laid out
	Count     int    // arguments, from 1

	SoftDeadline, HardDeadline time.Duration // 0: none
	Deaf                       time.Duration // as pool.TaskOptions.Deaf
	Attempts                   int           // workers that may die of it, as pool.Options.Attempts
	Kills                      int           // workers that have died of it already, in a chunk
	Carry                      [32]byte      // what the caller's pool.Options.Carry has said

	Arg []byte // the arguments, encoded; valid until Submit returns
}

// A Result is what has become of a [Call].
type Result struct {
	ID    uint64
	Kind  uint32        // what Bytes are: the value of a task, its error, … ; as Run has told
	Bytes []byte        // valid until the function that takes the result returns
	Ran   time.Duration // of all arguments; 0: not known

	// Err is why there are no bytes: a *pool.WorkerDiedError, a *pool.DeadlineError, what keeps the
	// argument from the pool, why that pool has ended. With Split it is the error of argument At
	// alone, nil when that one has another attempt.
	Err error

	// Split says that the worker of a chunk died while it ran argument At, the first is 0: the
	// arguments are to run one by one. Kills is how many workers have died of that argument, those
	// of Call.Kills included.
	Split     bool
	At, Kills int

	Began Began // the worker that has run the task, if that is known
}

// Began says which worker has begun a task, and when, as pool.Began does.
type Began struct {
	Worker string
	PID    int
	At     time.Time
}

// A Restarter is an engine that can replace all workers, as pool.Pool.Restart does.
type Restarter interface {
	Restart(ctx context.Context) error
}

// A Dropper is an engine that can drop the calls that no worker has begun, as pool.Pool.Finish
// wants it: each of them is delivered with pool.ErrClosed. The drop may go on when Drop has
// returned. No call is submitted after that. For another engine Finish waits until all calls are
// done.
type Dropper interface{ Drop() }

// A Watcher is an engine that knows which worker runs a call.
type Watcher interface {
	Began(id uint64) (b Began, ok bool)
}

// Stats is what an engine knows of its workers, as pool.Stats has it.
type Stats struct {
	Workers                   []WorkerStats
	Killed, Recycled, Retried int
	Running                   int // tasks that workers have begun
	Run                       Latency
	Missing                   []string // places that did not answer in time
}

// WorkerStats is what one worker has done so far, as pool.WorkerStats has it.
type WorkerStats struct {
	Name     string // with the place, as in "host/Worker-2"
	PID      int
	Tasks    uint64
	Restarts int
	CPU      time.Duration
	Memory   int64
}

// Latency is how long tasks took, as pool.Latency has it.
type Latency struct {
	P50, P99, Max time.Duration
	Samples       int64
}

// ErrResize says that the size of the pool is not the caller's to change. It is an
// [errors.ErrUnsupported].
var ErrResize error = refusal("pool: resize: the number of workers is decided by each place that serves the pool, " +
	"and by how many of them there are: change it there")

// ErrRestart says that the workers are not the caller's to restart. It is an
// [errors.ErrUnsupported].
var ErrRestart error = refusal("pool: restart: the workers belong to the places that serve the pool: restart them there")

// A refusal is an error for what is decided elsewhere.
type refusal string

func (r refusal) Error() string { return string(r) }

func (r refusal) Is(target error) bool { return target == errors.ErrUnsupported }
