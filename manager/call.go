package manager

import (
	"bytes"
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/internal/wait"
)

// Call runs the method on the object of ref, in the manager, and waits for what it returns. There
// is no time-out: ctx bounds the call. Its deadline goes with the call, and its end ends the
// context of the method, for which Call does not wait.
//
// Errors:
//   - a [*RemoteError]: the method returned an error. A [*PanicError]: it panicked.
//   - a [*LostError]: the manager died, or the connection broke; the call may have run, or not. No
//     call is sent twice. The next call connects again.
//   - [ErrGone]: the object is not there any more.
//   - a [*NoMethodError]: the manager does not know the method, or knows it with other types.
//   - an argument, or a result, that cannot be encoded or is too large: the connection goes on.
//   - [ErrExclusive], [ErrClosed]; [syscall.ECONNREFUSED] when no manager is there; the cause of
//     the end of ctx.
func (c *Call[T, A, R]) Call(ctx context.Context, ref *Ref[T], a A) (r R, err error) {
	b, err := c.args.Encode(&a)
	if err != nil {
		return r, fmt.Errorf("manager: %s: argument: %w", c.m.name, err)
	}
	return c.callBytes(ctx, ref, b)
}

// callBytes is Call with an argument that is encoded.
func (c *Call[T, A, R]) callBytes(ctx context.Context, ref *Ref[T], b []byte) (r R, err error) {
	for {
		l, serial, err := ref.resolve(ctx)
		if err != nil {
			return r, named(err, c.m.name)
		}
		r, err = c.callOn(ctx, l, ref, serial, b)
		if err != errDead {
			return r, err
		}
		if ctx.Err() != nil {
			return r, named(context.Cause(ctx), c.m.name)
		}
	}
}

// callOn calls the method by one connection.
//
// Errors: errDead: nothing was sent; those of Call.
func (c *Call[T, A, R]) callOn(ctx context.Context, l *link, ref *Ref[T], serial uint64, b []byte) (r R, err error) {
	var h frame.Head
	payload, err := c.head(ctx, l, serial, b, &h)
	if err != nil {
		return r, named(err, c.m.name)
	}
	q, err := l.begin(ctx, nil, len(payload))
	if err == nil {
		if err = l.send(ctx, q, &h, payload); err == nil {
			err = l.await(ctx, q)
		}
	}
	if err != nil {
		return r, named(err, c.m.name)
	}
	r, err = c.answer(l, ref, q)
	l.finish(q)
	return r, err
}

// head makes the head of a call, and its payload.
func (c *Call[T, A, R]) head(ctx context.Context, l *link, serial uint64, b []byte, h *frame.Head) (payload []byte, err error) {
	n, err := l.number(c.m)
	if err != nil {
		return nil, err
	}
	h.Kind, h.Method, h.Object = kindCall, n, serial
	h.Mark(b)
	if chain := chainOf(ctx); len(chain) > 0 {
		h.Flags |= flagChain
		b = prependChain(chain, b)
	}
	if len(b) > l.max {
		return nil, fmt.Errorf("%w: an argument of %d bytes, at most %d are possible", ErrTooLarge, len(b), l.max)
	}
	return b, nil
}

// answer makes the result of what has come.
func (c *Call[T, A, R]) answer(l *link, ref *Ref[T], q *request) (r R, err error) {
	if q.kind == kindError {
		l.keep(q)
		return r, l.errorFrom(c.m.name, q.payload)
	}
	if q.flags&flagRef != 0 {
		if c.made == nil {
			l.releaseRef(q.object)
			return r, fmt.Errorf("manager %s: %s: a reference came", l.address, c.m.name)
		}
		serial := q.object
		l.keep(q)
		return c.made(ref.h.c.hold(l, serial, nil)), nil
	}
	if c.rets.IsWire() {
		l.keep(q) // methods of R may make calls
	}
	r, err = c.rets.Decode(frame.Value(q.flags, q.payload))
	if err != nil {
		err = fmt.Errorf("manager %s: %s: result: %w", l.address, c.m.name, err)
	}
	return r, err
}

// A Future is a result that is still to come, of [Call.Go].
type Future[R any] struct {
	done  chan struct{}
	value R // both immutable once done is closed
	err   error
}

// Go is [Call.Call] that does not wait. The argument is encoded before it returns. When ctx ends,
// the future ends with its cause.
func (c *Call[T, A, R]) Go(ctx context.Context, ref *Ref[T], a A) *Future[R] {
	f := &Future[R]{done: make(chan struct{})}
	b, err := c.args.Encode(&a)
	if err != nil {
		f.err = fmt.Errorf("manager: %s: argument: %w", c.m.name, err)
		close(f.done)
		return f
	}
	b = bytes.Clone(b)
	go func() {
		defer close(f.done)
		f.value, f.err = c.callBytes(ctx, ref, b)
	}()
	return f
}

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
// Errors: those of [Call.Call]; the cause of the end of ctx, after which the call goes on.
func (f *Future[R]) Get(ctx context.Context) (r R, err error) {
	if !f.Ready() {
		began := wait.Start(ctx)
		select {
		case <-f.done:
		case <-ctx.Done():
			return r, fmt.Errorf("manager: waited for a call's result: %w", wait.Late(ctx, context.Cause(ctx), began))
		}
	}
	return f.value, f.err
}
