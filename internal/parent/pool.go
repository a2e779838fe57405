package parent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/linemux"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/internal/worker"
	"github.com/shmkit/shmkit/shmlog"
)

// A Pool is the parent's side of a pool, without the types of its tasks. It may be used by any
// number of goroutines.
type Pool struct {
	table     *tasktable.Table
	options   Options
	kind      Kind
	local     bool    // kind.isLocal()
	bridge    *bridge // the only worker, where an engine runs the tasks; else nil
	resources []worker.ResourceConfig
	stderr    *linemux.Sink
	files     []*os.File // the files of the options, under other descriptors
	log       *shmlog.Listener

	restarting chan struct{} // has room for one: the goroutine that restarts the workers

	lead     chan struct{}          // has room for one: the waiter that collects results
	messages [64]uint64             // the messages that the leader has read
	leader   atomic.Pointer[Waiter] // the leader, while it waits for messages

	mu          sync.Mutex
	calls       []Call    // per slot: what the parent knows of its task
	free        []uint32  // slots that no caller has
	slotWaiters []*Waiter // waiters for a slot
	pending     int       // tasks that are queued or running
	// of them, those that are for the workers: not those that wait for another attempt
	work      int
	admitted  int // calls that may submit more of them although the pool is closing
	workers   workers
	latency   latency
	counts    counts
	room      room
	closing   bool          // no more tasks
	grace     time.Duration // how long workers may outlive the pool; Terminate changes it
	watching  bool          // a goroutine watches hard deadlines
	lost      bool          // workers may have swallowed messages
	resending bool          // a goroutine sends messages again
	killed    int
	recycled  int
	retried   int

	logDropped uint64 // when it has ended

	Futures Futures
	exits   sync.Mutex // held during a call of OnWorkerStart or OnWorkerExit

	ready chan struct{} // closed when enough workers take tasks
	empty chan struct{} // closed when it is closing and no task is left

	alive context.Context // ends, with the cause, when no result will come any more
	end   context.CancelCauseFunc

	keepers    sync.WaitGroup // of the workers
	terminated atomic.Bool    // Terminate was called, or New's context has ended
	dropping   atomic.Bool    // Finish was called: no task that waits is begun

	closed   sync.Once
	finished chan struct{} // closed when everything has ended
	closeErr error
}

// New starts the workers of a pool, and waits until one worker takes tasks, or all do when there
// are resources. When ctx ends, the pool is terminated. The options are complete.
//
// Errors: why a resource did not open; a worker that cannot start, with its exit code and the last
// it wrote; what keeps shared memory from being made.
func New(ctx context.Context, o Options, kind Kind) (*Pool, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p := &Pool{
		options: o, kind: kind, local: kind.isLocal(),
		stderr: linemux.SinkFor(o.Stderr),
		lead:   make(chan struct{}, 1), restarting: make(chan struct{}, 1),
		calls: make([]Call, o.Backlog), latency: newLatency(),
		ready: make(chan struct{}), empty: make(chan struct{}), finished: make(chan struct{}),
	}
	if err := p.share(); err != nil {
		return nil, err
	}
	p.alive, p.end = context.WithCancelCause(context.Background())
	context.AfterFunc(p.alive, func() {
		p.table.Done.Close() // wakes the leader
		p.table.Todo.Close() // and those that wait for room, which will not come
	})
	for i := range o.Backlog {
		p.free = append(p.free, uint32(o.Backlog-1-i))
	}
	p.room.limit = int(o.Memory)
	p.counts.begin(p.table, o.Label)
	p.Futures.p, p.workers.p, p.grace = p, p, closeGrace
	p.Futures.idle.L = &p.Futures.mu
	if err := kind.begin(ctx, p); err != nil {
		p.end(err)
		return nil, errors.Join(err, p.closeShared())
	}
	return p.start(ctx)
}

// share makes what the pool and its workers share.
func (p *Pool) share() error {
	o := &p.options
	// The pool starts workers until it has ended; the caller may close its files before.
	var err error
	if p.files, err = child.Duplicates(o.Files); err != nil {
		return fmt.Errorf("pool: %w", err)
	}
	if p.table, err = tasktable.New(o.Backlog, o.Memory+worker.ArgumentBytes(o.Resources)+o.logBytes()); err != nil {
		child.CloseFiles(p.files)
		return fmt.Errorf("pool: %w", err)
	}
	if p.resources, err = worker.PlaceArguments(p.table.Mem, o.Resources); err == nil {
		p.log, err = p.listen(o)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("pool: %w", err), p.closeShared())
	}
	return nil
}

// start starts the workers, and waits until enough of them are ready.
func (p *Pool) start(ctx context.Context) (*Pool, error) {
	p.mu.Lock()
	if p.workers.waiting = 1; len(p.options.Resources) > 0 {
		if p.workers.waiting = p.options.Workers; p.options.MinWorkers > 0 {
			p.workers.waiting = p.options.MinWorkers
		}
	}
	p.workers.resize(p.options.Workers)
	p.mu.Unlock()
	detach := context.AfterFunc(ctx, func() {
		p.terminate(context.Cause(ctx), p.options.Grace)
	})
	context.AfterFunc(p.alive, func() { detach() })
	// a worker cannot start, or ctx has ended
	if err := p.until(context.Background(), p.ready); err != nil {
		p.terminate(err, worker.LossGrace) // workers may have opened resources
		return nil, err
	}
	return p, nil
}

// until collects results until a channel is closed.
//
// Errors: the cause of the end of ctx; why the pool has ended.
func (p *Pool) until(ctx context.Context, closed <-chan struct{}) error {
	w, stop := NewWaiter(), make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-closed:
			w.signal()
			p.wakeLeader() // the waiter may be the leader
		case <-stop:
		}
	}()
	for {
		select {
		case <-closed:
			return nil
		default:
		}
		if err := p.Await(ctx, w); err != nil {
			return err
		}
	}
}

// Ended is why no result will come any more, nil while some may.
func (p *Pool) Ended() error {
	if p.alive.Err() == nil {
		return nil
	}
	return context.Cause(p.alive)
}

// Terminated is why the pool was terminated, nil when it was not: what comes after that may have
// failed because of it.
func (p *Pool) Terminated() error {
	if !p.terminated.Load() {
		return nil
	}
	<-p.alive.Done() // at once
	return context.Cause(p.alive)
}

// Dropping says that no task which waits is begun any more.
func (p *Pool) Dropping() bool { return p.dropping.Load() }

// MemoryLimit is how many bytes of shared memory arguments and results may have.
func (p *Pool) MemoryLimit() int { return p.room.limit }

// fail ends the pool because of an error.
func (p *Pool) fail(err error) {
	if !strings.HasPrefix(err.Error(), "pool: ") {
		err = fmt.Errorf("pool: %w", err)
	}
	p.end(err)
}

// settledAll says, under mu, that there is nothing left to wait for. When the pool is closing, that
// is so once and for all.
func (p *Pool) settledAll() bool { return p.pending+p.admitted == 0 }

// over says, under mu, that the workers shall end.
func (p *Pool) over() bool { return p.closing && p.settledAll() || p.alive.Err() != nil }

// refuse takes no more tasks. It may be called again.
func (p *Pool) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return
	}
	p.closing = true
	if p.settledAll() {
		close(p.empty)
	}
}

// Close takes no more tasks, waits until all that were submitted are done, ends the workers, and
// frees everything. It may be called again.
//
// Errors: of the handler of Options.Log; of closing the shared memory.
func (p *Pool) Close() error {
	p.refuse()
	if p.until(context.Background(), p.empty) != nil { // nothing will finish any more
		p.mu.Lock()
		grace := p.grace // Terminate may change it at the same time
		p.mu.Unlock()
		return p.shut(grace)
	}
	return p.shut(closeGrace)
}

// Finish is [Pool.Close] that drops the tasks which no worker has begun.
//
// Errors: of closing the shared memory.
func (p *Pool) Finish() error {
	p.refuse()
	p.drop()
	return p.Close()
}

// Terminate ends the pool now, and waits for that: tasks that wait are dropped, contexts of tasks
// that run end, and workers that have not ended after the grace are killed. The first grace counts.
//
// Errors: of closing the shared memory.
func (p *Pool) Terminate(grace time.Duration) error {
	return p.terminate(task.ErrClosed, grace)
}

func (p *Pool) terminate(cause error, grace time.Duration) error {
	p.refuse()
	p.mu.Lock()
	if p.alive.Err() == nil {
		p.grace = grace
	}
	p.mu.Unlock()
	p.terminated.Store(true)
	p.end(cause)
	return p.shut(grace)
}

// Join waits until the pool has ended and all is freed. It ends nothing itself.
//
// Errors: the cause of the end of ctx; of closing the shared memory.
func (p *Pool) Join(ctx context.Context) error {
	began := wait.Start(ctx)
	select {
	case <-p.finished:
		return p.closeErr
	case <-ctx.Done():
		return fmt.Errorf("pool: waited for its end: %w", wait.Late(ctx, context.Cause(ctx), began))
	}
}

// shut ends the workers and frees everything, once.
func (p *Pool) shut(grace time.Duration) error {
	p.closed.Do(func() {
		p.table.Todo.Close()
		p.endWorkers(grace)
		p.Futures.rest()
		p.end(task.ErrClosed)
		p.closeErr = p.closeShared()
		p.showClosed(context.Cause(p.alive))
		close(p.finished)
	})
	<-p.finished
	return p.closeErr
}
