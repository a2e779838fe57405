package manager

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/shm"
)

// A Ref is a reference to an object of a manager. The object is there as long as there is a
// reference, a name or a call that runs on it. A Ref may be part of arguments and results, of
// tasks of pools and of messages of queues: it is a reference of the receiver there.
//
// A reference belongs to the connection of its process to the manager, and ends with it: with the
// death of the process at the latest. Close it when it is of no use any more; a Ref that is
// unreachable is closed by the garbage collector at some time.
//
// All methods may be called by any number of goroutines. A Ref must not be copied.
type Ref[T any] struct {
	_ noCopy
	h *held
}

// A held is what a Ref has.
type held struct {
	c    *client
	name *naming                  // nil: the object has none
	at   atomic.Pointer[location] // nil: it is closed
}

// A location is where an object is.
type location struct {
	l      *link
	serial uint64
}

// hold makes a held of a reference that has come.
func (c *client) hold(l *link, serial uint64, name *naming) *held {
	h := &held{c: c, name: name}
	h.at.Store(&location{l, serial})
	return h
}

// A naming is how the object of a name is found again.
type naming struct {
	name, typ string
	arg       []byte
}

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// newRef returns a Ref.
func newRef[T any](h *held) *Ref[T] {
	r := &Ref[T]{}
	r.set(h)
	return r
}

func (r *Ref[T]) set(h *held) {
	h.c.enter()
	r.h = h
	runtime.AddCleanup(r, func(h *held) { h.close() }, h)
}

// close gives the reference back.
func (h *held) close() {
	at := h.at.Swap(nil)
	if at == nil {
		return
	}
	if !at.l.isOver() {
		at.l.releaseRef(at.serial)
	}
	h.c.leave()
}

// Close gives the reference back. It does not wait. The object goes with its last reference.
func (r *Ref[T]) Close() error {
	if r.h != nil {
		r.h.close()
	}
	return nil
}

// Detach is Close: a task of a pool detaches the references in its argument at its end.
func (r *Ref[T]) Detach() error { return r.Close() }

// Name is the name of the object, or "".
func (r *Ref[T]) Name() string {
	if r.h == nil || r.h.name == nil {
		return ""
	}
	return r.h.name.name
}

// String names the manager and the object.
func (r *Ref[T]) String() string {
	if r.h == nil {
		return "manager.Ref of nothing"
	}
	at := r.h.at.Load()
	if at == nil {
		return "manager.Ref to an object of " + r.h.c.address + ", closed"
	}
	return fmt.Sprintf("manager.Ref to object %d of %s", at.serial, r.h.c.address)
}

// resolve returns the connection and number of the object. That of a name is found, or opened,
// again after the connection was lost.
//
// Errors: [ErrGone], [ErrClosed]; those of connecting.
func (r *Ref[T]) resolve(ctx context.Context) (*link, uint64, error) {
	h := r.h
	if h == nil {
		return nil, 0, errors.New("the Ref refers to nothing: it comes from New, Named or a message")
	}
	at := h.at.Load()
	if at != nil && !at.l.dead.Load() {
		return at.l, at.serial, nil
	}
	return h.again(ctx, at)
}

// again finds the object again of which the location is lost.
func (h *held) again(ctx context.Context, lost *location) (*link, uint64, error) {
	switch {
	case lost == nil:
		return nil, 0, fmt.Errorf("%w: this reference", ErrClosed)
	case h.name == nil:
		return nil, 0, fmt.Errorf("%w: the connection to manager %s that held the reference has ended", ErrGone, h.c.address)
	}
	l, serial, err := h.c.openNamed(ctx, h.name)
	if err != nil {
		return nil, 0, err
	}
	if h.at.CompareAndSwap(lost, &location{l, serial}) {
		return l, serial, nil
	}
	l.releaseRef(serial) // another goroutine was faster, or has closed it
	now := h.at.Load()
	if now == nil {
		return nil, 0, fmt.Errorf("%w: this reference", ErrClosed)
	}
	return now.l, now.serial, nil
}

// get opens an object, or finds that of a name.
func (t *Type[T, A]) get(ctx context.Context, m *Manager, kind frame.Kind, name string, arg A) (*Ref[T], error) {
	b, err := t.args.Encode(&arg)
	if err != nil {
		return nil, fmt.Errorf("manager: %s: argument: %w", t.t.name, err)
	}
	n := &naming{name: name, typ: t.t.name, arg: bytes.Clone(b)}
	if err := m.check(); err != nil {
		return nil, err
	}
	l, serial, err := m.c.open(ctx, kind, n, t.t.form)
	if err != nil {
		return nil, err
	}
	if kind != kindNamed {
		n = nil
	}
	return newRef[T](m.c.hold(l, serial, n)), nil
}

func (c *client) openNamed(ctx context.Context, n *naming) (*link, uint64, error) {
	return c.open(ctx, kindNamed, n, "")
}

// open asks the manager for a reference. form is that of the type's argument here; "": it has been
// compared.
func (c *client) open(ctx context.Context, kind frame.Kind, n *naming, form string) (*link, uint64, error) {
	for {
		l, err := c.connected(ctx)
		if err != nil {
			return nil, 0, err
		}
		theirs, ok := l.types[n.typ]
		switch {
		case !ok:
			return nil, 0, l.noMethod(n.typ, "is not declared")
		case form != "" && theirs != form:
			return nil, 0, l.noMethod(n.typ, fmt.Sprintf("is declared with another argument: %q here, %q there", form, theirs))
		}
		b := binary.AppendUvarint(nil, uint64(len(n.name)))
		b = append(b, n.name...)
		b = binary.AppendUvarint(b, uint64(len(n.typ)))
		b = append(append(b, n.typ...), n.arg...)
		if len(b) > l.max {
			return nil, 0, fmt.Errorf("manager %s: %s: %w: an argument of %d bytes", l.address, n.typ, ErrTooLarge, len(b))
		}
		h := &frame.Head{Kind: kind}
		h.Mark(n.arg)
		_, serial, err := l.ask(ctx, n.typ, h, b)
		if err == errDead && ctx.Err() == nil {
			continue
		}
		return l, serial, err
	}
}

// refFormat is the first byte of a Ref in a message.
const refFormat = 1

// MarshalBinary encodes the reference for another process. It asks the manager to keep the object
// until the reference has arrived, for at most Options.Pin.
//
// Errors: those of [Call.Call]; that the manager does not answer within Options.Pin.
func (r *Ref[T]) MarshalBinary() ([]byte, error) {
	if r.h == nil {
		return nil, errors.New("manager: marshal a Ref that refers to nothing")
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), r.h.c.o.Pin, errors.New("the manager does not answer"))
	defer cancel()
	l, serial, err := r.resolve(ctx)
	if err != nil {
		return nil, fmt.Errorf("manager: marshal a Ref: %w", err)
	}
	token, _, err := l.ask(ctx, "marshal a Ref", &frame.Head{Kind: kindPin, Object: serial}, nil)
	if err == errDead {
		err = fmt.Errorf("manager: marshal a Ref: %w", ErrGone)
	}
	if err != nil {
		return nil, err
	}
	b := append([]byte{refFormat}, binary.LittleEndian.AppendUint64(nil, l.incarnation)...)
	b = append(b, token...)
	return append(b, r.h.c.address...), nil
}

const refHead = 1 + 8 + len(token{})

// UnmarshalBinary makes r the reference that MarshalBinary encoded, by the connection of this
// process to its manager, which it makes if there is none. A manager that wants a key must have
// been dialed by this process before. r must be new.
//
// Errors: [shm.ErrFormat]; [ErrGone]: the reference was on its way for too long, or the manager has
// ended; those of [Dial].
func (r *Ref[T]) UnmarshalBinary(b []byte) error {
	if r.h != nil {
		return errors.New("manager: unmarshal a Ref: it refers to an object already")
	}
	if len(b) <= refHead || b[0] != refFormat {
		return fmt.Errorf("manager: unmarshal a Ref of %d bytes: %w", len(b), shm.ErrFormat)
	}
	c := clientFor(string(b[refHead:])) // with a use of this call
	defer c.leave()
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, errors.New("the manager does not answer"))
	defer cancel()
	l, err := c.connected(ctx)
	if err != nil {
		return fmt.Errorf("manager: unmarshal a Ref: %w", err)
	}
	incarnation := binary.LittleEndian.Uint64(b[1:])
	if l.incarnation != incarnation {
		return fmt.Errorf("manager: unmarshal a Ref: %w: manager %s has been started again", ErrGone, c.address)
	}
	_, serial, err := l.ask(ctx, "unmarshal a Ref", &frame.Head{Kind: kindRedeem}, b[9:refHead])
	if err == errDead {
		err = fmt.Errorf("manager: unmarshal a Ref: %w", ErrGone)
	}
	if err != nil {
		return err
	}
	r.set(c.hold(l, serial, nil))
	return nil
}
