package pool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/pool"
)

// A loopback is an engine that runs tasks on another pool of this process, by their bytes alone, as
// another machine would. It delivers each result twice.
type loopback struct {
	p       *pool.Pool
	deliver engine.Deliver

	mu      sync.Mutex
	running map[uint64]*away
	base    context.Context
	end     context.CancelFunc
}

// An away is a call that a loopback has.
type away struct {
	cancel context.CancelFunc
	watch  engine.Watch // nil: it is not in the other pool yet
}

func (l *loopback) Submit(c engine.Call) error {
	ctx, cancel := context.WithCancel(l.base)
	a := &away{cancel: cancel}
	l.mu.Lock()
	l.running[c.ID] = a
	l.mu.Unlock()
	watch, err := engine.RunWatched(ctx, l.p, c, func(r engine.Result) {
		l.forget(r.ID)
		l.deliver(r)
		l.deliver(r)
	})
	if err != nil {
		l.forget(c.ID)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a.watch = watch
	return nil
}

func (l *loopback) forget(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.running[id]; a != nil {
		a.cancel()
	}
	delete(l.running, id)
}

func (l *loopback) Cancel(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.running[id]; a != nil {
		a.cancel()
	}
}

func (l *loopback) Began(id uint64) (b engine.Began, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.running[id]
	if a == nil || a.watch == nil {
		return b, false
	}
	return a.watch()
}

func (l *loopback) Close(ctx context.Context, abandon bool, grace time.Duration) {
	l.end()
	if !abandon {
		l.p.Close()
		return
	}
	defer context.AfterFunc(ctx, func() { l.p.Terminate(0) })()
	l.p.Terminate(grace)
}

func (l *loopback) Capacity() int { return len(l.p.Stats().Workers) }

func (l *loopback) Overhead() time.Duration { return time.Microsecond }

func (l *loopback) Drop() { go l.p.Finish() }

func (l *loopback) Restart(ctx context.Context) error { return l.p.Restart(ctx) }

func (l *loopback) Stats(context.Context) engine.Stats {
	s := l.p.Stats()
	e := engine.Stats{Killed: s.Killed, Recycled: s.Recycled, Retried: s.Retried, Running: s.Pending - s.Queued, Run: engine.Latency(s.Run)}
	for _, w := range s.Workers {
		e.Workers = append(e.Workers, engine.WorkerStats(w))
	}
	return e
}

// newLoopback makes an engine with a pool of processes.
func newLoopback(ctx context.Context, o pool.Options, deliver engine.Deliver) (*loopback, error) {
	l := &loopback{deliver: deliver, running: map[uint64]*away{}}
	l.base, l.end = context.WithCancel(context.Background())
	var err error
	l.p, err = pool.New(ctx, o)
	return l, err
}

// newBridged is a pool whose tasks run in another pool of processes, with the same options.
func newBridged(t testing.TB, o pool.Options) *pool.Pool {
	t.Helper()
	return closed(t)(engine.New[*pool.Pool](context.Background(), o, func(ctx context.Context, deliver engine.Deliver) (engine.Engine, error) {
		return newLoopback(ctx, o, deliver)
	}))
}
