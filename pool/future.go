package pool

import (
	"context"
	"fmt"
	"sync"

	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Future is a result that is still to come, of [ApplyAsync] or [MapAsync].
type Future[R any] struct {
	done  chan struct{}
	p     *Pool
	value R     // both immutable once done is closed
	err   error //

	began Began // immutable once done is closed

	mu       sync.Mutex
	running  func() (Began, bool) // says whether the task of ApplyAsync has begun
	onResult []func(R)
	onError  []func(error)
}

func newFuture[R any](p *Pool) *Future[R] { return &Future[R]{done: make(chan struct{}), p: p} }

// Done is closed when the result, or error, is there.
func (f *Future[R]) Done() <-chan struct{} { return f.done }

// Ready says whether the result, or error, is there.
func (f *Future[R]) Ready() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// Get waits for the result until ctx ends. It may be called any number of times.
//
// Errors: those of [Apply], or [Map]; the cause of the end of ctx, after which the task goes on.
func (f *Future[R]) Get(ctx context.Context) (r R, err error) {
	select {
	case <-f.done:
		return f.value, f.err
	default:
	}
	began := wait.Start(ctx)
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return r, fmt.Errorf("pool: waited for a future: %w", wait.Late(ctx, context.Cause(ctx), began))
	}
}

// OnResult has call called with the result, if there is one: at once when it is there already. All
// callbacks of a pool are called one after the other, in a goroutine of its own, so that they need
// no lock among themselves; [Pool.Close] and [Pool.Terminate] wait for them, and must not be called
// by one.
func (f *Future[R]) OnResult(call func(R)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onResult = append(f.onResult, call)
	if f.Ready() {
		f.notify()
	}
}

// OnError is [Future.OnResult] for an error.
func (f *Future[R]) OnError(call func(error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onError = append(f.onError, call)
	if f.Ready() {
		f.notify()
	}
}

// complete makes the result known.
func (f *Future[R]) complete(r R, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.value, f.err = r, err
	close(f.done)
	f.notify()
}

// notify queues the callbacks that are there now, under mu.
func (f *Future[R]) notify() {
	results, errs := f.onResult, f.onError
	f.onResult, f.onError = nil, nil
	switch {
	case f.err != nil && len(errs) > 0:
		f.p.core.Futures.CallBack(func() {
			for _, call := range errs {
				call(f.err)
			}
		})
	case f.err == nil && len(results) > 0:
		f.p.core.Futures.CallBack(func() {
			for _, call := range results {
				call(f.value)
			}
		})
	}
}

// ApplyAsync is [Apply] that does not wait for the result. It waits when the backlog is full. When
// ctx ends, the future ends with its cause, and so does the context of the task. An object without
// a name of which arg has a handle must have another one until the future is done.
//
// Errors: what cannot travel; the cause of the end of ctx; [ErrClosed].
func ApplyAsync[A, R any](ctx context.Context, p *Pool, t *Task[A, R], arg A) (*Future[R], error) {
	f := &asyncApply[A, R]{Future: newFuture[R](p), t: t}
	sent := false
	defer func() {
		if !sent { // also when a method of A ends this goroutine
			p.core.Futures.Finished(1)
		}
	}()
	i, err := send(ctx, p, t, parent.NewWaiter(), p.core.Futures.Begin(), &arg, f)
	if err != nil {
		return nil, err
	}
	sent = true
	f.mu.Lock()
	f.running = func() (Began, bool) {
		b, ok := p.core.Running(i, f)
		return Began(b), ok
	}
	f.mu.Unlock()
	p.core.Futures.Bind(ctx, &f.Tether, i, f)
	return f.Future, nil
}

// asyncApply is a future with the types of its task.
type asyncApply[A, R any] struct {
	*Future[R]
	parent.Tether
	t *Task[A, R]
}

func (f *asyncApply[A, R]) Settle(i uint32) (again bool) {
	var r R
	var err error
	if f.t.rets.IsWire() || f.p.core.Call(i).Options.Retry != nil {
		r, again, err = f.guarded(i)
	} else {
		r, again, err = settle(f.p, f.t, i, &f.p.core.Futures.Scratch)
	}
	if !again {
		f.Loose()
		f.began = Began(f.p.core.Call(i).Began)
		f.complete(r, err)
	}
	return again
}

// guarded is settle for what calls functions of the user: they must not take along the goroutine
// that settles all futures.
func (f *asyncApply[A, R]) guarded(i uint32) (r R, again bool, err error) {
	err = guard.Call(func() (err error) {
		r, again, err = settle(f.p, f.t, i, &f.p.core.Futures.Scratch)
		return err
	})
	return r, again, err
}

func (f *asyncApply[A, R]) Fail(err error) {
	f.Loose()
	var zero R
	f.complete(zero, err)
}

// MapAsync is [Map] that does not wait. It encodes the arguments as they are sent: they must not be
// changed before the future is done.
func MapAsync[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args []A) *Future[[]R] {
	f := newFuture[[]R](p)
	if err := p.core.Admit(); err != nil {
		f.complete(nil, err)
		return f
	}
	p.core.Futures.Enter()
	go func() {
		defer p.core.Futures.Leave()
		defer p.core.Dismiss()
		var results []R
		// by a method of A or R
		err := error(&PanicError{Task: t.core.Name, Value: "runtime.Goexit was called"})
		defer func() { f.complete(results, err) }()
		results, err = mapAdmitted(ctx, p, t, args)
	}()
	return f
}
