package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/shmkit/shmkit/queue"
)

// Options say how a pool works. The zero value is a pool of as many workers as
// there are processors.
type Options struct {
	// Workers is how many processes run tasks; 0 means [runtime.GOMAXPROCS].
	Workers int

	// Attempts is how often a task is tried whose worker dies while it runs; 0
	// means 3, a negative number means without end.
	Attempts int

	// Backlog is how many tasks can be on their way at once, queued, running or
	// waiting for their result to be taken; 0 means 64 for each worker, and at least 256.
	Backlog int

	// Memory bounds the shared memory for arguments and results in bytes; 0 means
	// 1 GiB. It is taken as it is needed.
	Memory int64

	// Grace is how long tasks may go on when the context of [New] ends: their
	// contexts end at once, and their workers are killed after that time.
	Grace time.Duration
}

const (
	defaultAttempts = 3
	defaultMemory   = 1 << 30
	maxWorkers      = 480
)

func (o Options) complete() (Options, error) {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Attempts == 0 {
		o.Attempts = defaultAttempts
	}
	if o.Backlog == 0 {
		o.Backlog = max(64*o.Workers, 256)
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	switch {
	case o.Workers < 0 || o.Workers > maxWorkers:
		return o, fmt.Errorf("pool: %d workers: must be from 1 to %d", o.Workers, maxWorkers)
	case o.Backlog < o.Workers || o.Backlog > 1<<20:
		return o, fmt.Errorf("pool: backlog of %d tasks: must be from %d, the number of workers, to %d", o.Backlog, o.Workers, 1<<20)
	case o.Memory < 0:
		return o, fmt.Errorf("pool: memory of %d bytes: must not be negative", o.Memory)
	}
	return o, nil
}

// A Pool is a set of worker processes. It may be used by any number of goroutines.
type Pool struct {
	*table
	options Options
	free    chan uint32 // slots that are nobody's

	mu      sync.Mutex
	calls   []call        // per slot: what the parent knows of its task
	pending int           // tasks that are queued or running
	idle    chan struct{} // closed and replaced when pending gets to 0
	workers []*child
	closing bool
	killed  int

	ready   chan struct{} // closed when the first worker takes tasks
	isReady sync.Once

	alive context.Context // ends, with the cause, when no result will come any more
	end   context.CancelCauseFunc

	stop     context.CancelFunc // of the collector
	wg       sync.WaitGroup     // the collector and the keepers of the workers
	closed   sync.Once
	closeErr error
}

// New starts the workers of a pool. When ctx ends, the pool is terminated as by
// [Pool.Terminate]. The caller closes the pool.
//
// Errors: [ErrNoMain]; bad options; a worker that cannot start, with its exit code
// and the last it wrote; what keeps shared memory from being made.
func New(ctx context.Context, o Options) (*Pool, error) {
	if !mainCalled.Load() {
		if os.Getenv(workerEnv) != "" {
			// This process is a worker that has missed Main: it must not start workers itself.
			fmt.Fprintln(os.Stderr, ErrNoMain)
			os.Exit(exitNoMain)
		}
		return nil, ErrNoMain
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	t, err := newTable(o.Workers, o.Backlog, o.Memory)
	if err != nil {
		return nil, fmt.Errorf("pool: %w", err)
	}
	p := &Pool{
		table: t, options: o,
		free:  make(chan uint32, o.Backlog),
		calls: make([]call, o.Backlog),
		idle:  make(chan struct{}),
		ready: make(chan struct{}),
	}
	p.alive, p.end = context.WithCancelCause(context.Background())
	for i := range o.Backlog {
		p.free <- uint32(i)
	}
	return p.start(ctx)
}

// start starts the collector and the workers, and waits until one of them is ready.
func (p *Pool) start(ctx context.Context) (*Pool, error) {
	collecting, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.wg.Add(1)
	go p.collect(collecting)
	for n := range p.options.Workers {
		c := &child{p: p, number: n}
		p.workers = append(p.workers, c)
		p.wg.Add(1)
		go c.keep()
	}
	detach := context.AfterFunc(ctx, func() {
		p.end(context.Cause(ctx))
		p.Terminate(p.options.Grace)
	})
	context.AfterFunc(p.alive, func() { detach() })
	select {
	case <-p.ready:
		return p, nil
	case <-p.alive.Done(): // a worker cannot start, or ctx has ended
		p.Terminate(0)
		return nil, context.Cause(p.alive)
	}
}

// collect passes on what the workers say, until the pool is closed.
func (p *Pool) collect(ctx context.Context) {
	defer p.wg.Done()
	for {
		message, err := p.done.Get(ctx)
		switch {
		case errors.Is(err, queue.ErrClosed) || ctx.Err() != nil:
			return
		case err != nil:
			p.end(fmt.Errorf("pool: collect results: %w", err))
			return
		case uint32(message) == readySlot:
			p.isReady.Do(func() { close(p.ready) })
		default:
			p.finish(uint32(message), uint32(message>>32))
		}
	}
}

// Close lets the tasks that were submitted finish, ends the workers, and frees
// everything. New tasks are refused with [ErrClosed]. It blocks until all is done; use
// [Pool.Terminate] to end sooner. It may be called again.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closing = true
	for p.pending > 0 {
		idle := p.idle
		p.mu.Unlock()
		select {
		case <-idle:
		case <-p.alive.Done(): // nothing will finish any more
			return p.shut(0)
		}
		p.mu.Lock()
	}
	p.mu.Unlock()
	return p.shut(closeGrace)
}

// closeGrace is how long idle workers get to end by themselves.
const closeGrace = 5 * time.Second

// Terminate ends the pool now: tasks that wait are dropped, contexts of tasks that
// run end, and workers that have not ended after the grace are killed. Calls that
// wait for results return [ErrClosed]. It blocks until all is done, and may be called again.
func (p *Pool) Terminate(grace time.Duration) error {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.end(ErrClosed)
	return p.shut(grace)
}

// shut ends the workers and frees everything, once.
func (p *Pool) shut(grace time.Duration) error {
	p.closed.Do(func() {
		p.todo.Close()
		p.endWorkers(grace)
		p.end(ErrClosed)
		p.stop()
		p.wg.Wait()
		p.closeErr = p.seg.Close()
	})
	return p.closeErr
}

// Stats is what a pool has done so far.
type Stats struct {
	Workers []WorkerStats
	Killed  int // workers that died and were replaced
	Pending int // tasks that are queued or running
}

// WorkerStats is what one worker has done so far.
type WorkerStats struct {
	PID   int    // 0: is being started
	Tasks uint64 // that this worker, or those that it has replaced, have finished
}

// Stats describes the pool at this moment.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Killed: p.killed, Pending: p.pending}
	for _, c := range p.workers {
		s.Workers = append(s.Workers, WorkerStats{PID: c.pid, Tasks: p.records[c.number].done.Load()})
	}
	return s
}
