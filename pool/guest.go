package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/task"
)

// runCall puts a call of another pool into this one, as [engine.RunWatched] says.
func runCall(ctx context.Context, p *Pool, call engine.Call, done func(engine.Result)) (engine.Watch, error) {
	h := task.ByID(task.IDOf(call.Task))
	switch {
	case h == nil || h.Name != call.Task:
		return nil, &engine.UnknownError{Task: call.Task, Signature: call.Signature}
	case h.Yields:
		return nil, fmt.Errorf("pool: task %q yields values: it runs in the pool of its caller alone: %w", call.Task, errors.ErrUnsupported)
	case h.Signature() != call.Signature:
		return nil, &engine.UnknownError{Task: call.Task, Signature: call.Signature, Differs: true}
	case call.Count < 1 || call.Count > maxCount || call.Kills < 0 || call.SoftDeadline < 0 || call.HardDeadline < 0 || call.Deaf < 0:
		return nil, fmt.Errorf("pool: task %q: a call of %d arguments, deadlines %v and %v", call.Task, call.Count, call.SoftDeadline, call.HardDeadline)
	}
	if call.Count > 1 {
		if err := h.CheckArguments(call.Arg, call.Count); err != nil {
			return nil, parent.Unsent(call.Task, err)
		}
	}
	f := &guest{p: p, id: call.ID, done: done}
	to := p.core.Futures.Begin()
	i, err := p.core.Send(ctx, parent.NewWaiter(), task.ContentOf(call.Arg), &parent.Order{
		Task: &parent.Task{ID: h.ID, Name: h.Name, Options: parent.TaskOptions{
			SoftDeadline: call.SoftDeadline, HardDeadline: call.HardDeadline, Deaf: call.Deaf, Attempts: call.Attempts,
		}},
		Waiter: to, Count: call.Count, Kills: call.Kills, Future: f, Timed: true, Carry: carried(&call),
	})
	if err != nil {
		p.core.Futures.Finished(1)
		return nil, err
	}
	p.core.Futures.Bind(ctx, &f.Tether, i, f)
	return func() (engine.Began, bool) {
		b, ok := p.core.Running(i, f)
		return engine.Began(b), ok
	}, nil
}

// carried is what a call carries, nil where that is nothing.
func carried(call *engine.Call) *parent.Carry {
	if call.Carry == (parent.Carry{}) {
		return nil
	}
	return &call.Carry
}

// maxCount bounds the arguments of a call from elsewhere.
const maxCount = 1 << 20

// A guest is the future of a call of another pool.
type guest struct {
	parent.Tether
	p    *Pool
	id   uint64
	done func(engine.Result)
}

// Settle passes on the result.
func (f *guest) Settle(i uint32) (again bool) {
	f.Loose()
	p, c := f.p, f.p.core.Call(i)
	r := engine.Result{ID: f.id, Kind: c.Got.Kind, Ran: c.Got.Ran, Err: c.Err, Split: c.Split, Began: engine.Began(c.Began)}
	switch {
	case c.Split:
		r.At, r.Kills = c.Got.At, c.Kills
	case c.Err == nil:
		r.Bytes, r.Err = p.core.Result(i, &p.core.Futures.Scratch, false)
		if late := p.core.TooLate(); late != nil {
			r.Bytes, r.Err = nil, late
		}
		// its context has ended for that
		if ended := p.core.Terminated(); ended != nil && isFailure(r.Kind) {
			r.Bytes, r.Err = nil, ended
		}
	}
	f.done(r)
	return false
}

// isFailure says that a result of that kind is an error.
func isFailure(kind uint32) bool {
	return kind == task.KindError || kind == task.KindPanic || kind == task.KindFailed
}

// Fail is the end without a result.
func (f *guest) Fail(err error) {
	f.Loose()
	f.done(engine.Result{ID: f.id, Err: err})
}
