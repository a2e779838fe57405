package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/internal/yields"
)

// A StreamTask is a task that yields values while it runs: it takes an A and yields any number of
// Rs. It is made by [DefineStream].
type StreamTask[A, R any] struct {
	end  Task[struct{}, struct{}] // what the parent sees at the end of it; has name and options
	args task.Codec[A]
	rets task.Codec[R]
}

// DefineStream makes f a task that yields values, for [Stream]. f returns an iterator, over which
// the worker goes while the caller's loop takes the values. Its yield blocks while the loop is
// slow. It reports false when the values are not wanted any more: the loop was left, or the context
// of the task has ended, as for [Define]. An error that it yields is the last, and the error of the
// task.
//
// All else is as for [Define], and so is when it panics.
func DefineStream[A, R any](name string, f func(ctx context.Context, arg A) iter.Seq2[R, error]) *StreamTask[A, R] {
	t := &StreamTask[A, R]{end: Task[struct{}, struct{}]{core: parent.Task{ID: task.IDOf(name), Name: name}}}
	var err error
	if t.args, err = task.CodecFor[A](); err != nil {
		panic(fmt.Sprintf("pool.DefineStream: task %q: argument: %v", name, err))
	}
	if t.rets, err = task.CodecFor[R](); err != nil {
		panic(fmt.Sprintf("pool.DefineStream: task %q: value: %v", name, err))
	}
	if t.end.rets, err = task.CodecFor[struct{}](); err != nil {
		panic(err)
	}
	task.Register(task.NewStream(t.end.core.ID, name, t.args, t.rets, f))
	return t
}

// Name is the name that the task was defined with.
func (t *StreamTask[A, R]) Name() string { return t.end.Name() }

// With is the same task with other options, as [Task.With]. Deadlines are those of the whole
// stream: the time in which the task waits for the loop counts. Attempts and Retry count for a task
// that has yielded nothing. Chunk means nothing.
func (t *StreamTask[A, R]) With(o TaskOptions) *StreamTask[A, R] {
	with := *t
	with.end = *t.end.With(o)
	return &with
}

// Stream runs the task, made by [DefineStream], with one argument in a worker, and yields the
// values that it yields, while it runs. Each loop runs the task once more. The task is ahead of the
// loop by at most 128 KiB of values and the one that it yields next: a slow loop slows the task
// down, and keeps its worker. Values may be as large as Options.Memory.
//
// Leaving the loop ends the context of the task, and so does the end of ctx, at once, also while
// the body of the loop runs. [Pool.Close] waits until the task has ended, and so must not be called
// in the loop. While the task runs it has up to 64 KiB of Options.Memory beside its argument.
//
// An error ends the iteration, after all values that came before it: those of [Apply]. When the
// worker dies, that is a [*WorkerDiedError]: a task that has yielded something is not tried again.
// With a pool that has its tasks run on other machines it is [errors.ErrUnsupported].
func Stream[A, R any](ctx context.Context, p *Pool, t *StreamTask[A, R], arg A) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		s, err := startStream(ctx, p, t, &arg)
		if err != nil {
			var none R
			yield(none, err)
			return
		}
		defer s.leave()
		for {
			r, err := next(ctx, s, t)
			if err == yields.ErrEnd || !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// next is the next value, or the error that ends the iteration: yields.ErrEnd without one.
func next[A, R any](ctx context.Context, s *streaming, t *StreamTask[A, R]) (r R, err error) {
	if ctx.Err() != nil {
		return r, s.left(ctx)
	}
	b, err := s.reader.Next(ctx)
	switch {
	case err == nil:
		if r, err = t.rets.Receive(b); err != nil {
			err = fmt.Errorf("pool: task %q: decode a value that it yields: %w", t.Name(), err)
		}
	case err == yields.ErrEnd && s.err == nil:
	case ctx.Err() != nil:
		err = s.left(ctx)
	case err == yields.ErrEnd:
		err = s.err
	default:
		err = fmt.Errorf("pool: task %q: take a value that it yields: %w", t.Name(), err)
	}
	return r, err
}

// streaming is a stream that is under way: a future with values that come before its result.
type streaming struct {
	parent.Tether
	p      *Pool
	end    *Task[struct{}, struct{}]
	reader *yields.Reader
	slot   uint32
	began  time.Time // with a context that can end
	err    error     // of the task; immutable once the reader has come to its end
}

// startStream submits the task.
func startStream[A, R any](ctx context.Context, p *Pool, t *StreamTask[A, R], arg *A) (*streaming, error) {
	if p.core.IsElsewhere() {
		return nil, fmt.Errorf("pool: task %q: its values cannot come from other machines: %w", t.Name(), errors.ErrUnsupported)
	}
	b, err := t.args.Encode(arg)
	if err != nil {
		return nil, parent.Unsent(t.Name(), err)
	}
	s := &streaming{p: p, end: &t.end, reader: p.core.NewReader(t.rets.Fixed()), began: wait.Start(ctx)}
	core := t.end.core
	core.Options = s.options(core.Options)
	s.slot, err = p.core.Send(ctx, parent.NewWaiter(), task.Content{
		Size: s.reader.Size(len(b)), Make: func(mem []byte) { s.reader.Place(mem, b) },
	}, &parent.Order{
		Task: &core, Waiter: p.core.Futures.Begin(), Count: 1, Future: s,
		Carry: p.core.Carry(ctx), Spent: s.reader.Begun,
	})
	runtime.KeepAlive(arg)
	if err != nil {
		p.core.Futures.Finished(1)
		return nil, err
	}
	if ctx.Done() != nil {
		s.Tie(context.AfterFunc(ctx, func() { p.core.EndContext(s.slot, s) }))
	}
	return s, nil
}

// options are those of a task, with those of the pool, that does not run again once it has yielded
// something.
func (s *streaming) options(o parent.TaskOptions) parent.TaskOptions {
	o = s.p.core.Defaults(o)
	if retry := o.Retry; retry != nil {
		o.Retry = func(attempt int, err error) (bool, time.Duration) {
			if s.reader.Begun() {
				return false, 0
			}
			return retry(attempt, err)
		}
	}
	return o
}

// left is the error of a loop that ends because ctx has ended. The task may have failed for that,
// too, in the meantime.
func (s *streaming) left(ctx context.Context) error {
	err := wait.Late(ctx, context.Cause(ctx), s.began)
	if s.reader.Over() { // the slot may be another task's
		return fmt.Errorf("pool: task %q: %w", s.end.Name(), err)
	}
	return s.p.core.Unanswered(ctx, s.end.Name(), s.slot, err)
}

// leave is the end of the loop.
func (s *streaming) leave() {
	s.Loose()
	s.reader.Leave()
	if s.p.core.Futures.Drop(s.slot, s) {
		s.p.core.Futures.Finished(1)
	}
}

// Settle takes the end of the task.
func (s *streaming) Settle(i uint32) (again bool) {
	err := guard.Call(func() (err error) { // Retry is the user's
		_, again, err = settle(s.p, s.end, i, &s.p.core.Futures.Scratch)
		return err
	})
	if !again {
		s.finish(err)
	}
	return again
}

// Fail is the end of the pool. Last was called before.
func (s *streaming) Fail(error) {}

// Last takes the values that have come before the end of the pool.
func (s *streaming) Last() { s.finish(s.p.core.Ended()) }

func (s *streaming) finish(err error) {
	s.Loose()
	s.err = err
	s.reader.Finish()
}
