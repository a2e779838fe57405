package queue

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// object is what all handles have: one process's view of a named object.
type object struct {
	_    noCopy
	o    *segment.Object // immutable from bind to Detach
	self binder          // the handle; nil: it is detached
	// of the messages, if they are of a type of fixed size; immutable once bound
	bools *elem.Bools
}

func (h *object) base() *object { return h }

// Detach ends the use of the object by this handle, as that of a [shm.Value] does: with the last
// handle this process lets go of the object. The handle is closed then: its methods return
// [shm.ErrClosed]. It may be called again. No other goroutine may use this handle meanwhile.
//
// Errors: a [*shm.HeldError] when this process holds a lock of the object, or is at work in it: it
// goes on holding the object.
func (h *object) Detach() error {
	if h.self == nil {
		return nil
	}
	bind := h.self.bind
	h.self = nil
	if err := h.o.Detach(bind); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}

// noCopy makes go vet complain about copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Alive returns nil as long as the object is there. A method that has no error to return, of a
// process that only reads, returns zeros when the object was removed: Alive tells.
//
// Errors: [shm.ErrRemoved] when its name leads to no object or to another one; [shm.ErrClosed].
func (h *object) Alive() error {
	if err := h.o.Alive(); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}

// gone is why the object is not there any more for this process.
func (h *object) gone() error {
	if err := h.o.Gone(); err != shm.ErrClosed {
		return fmt.Errorf("queue: %v: %w", h.o, err)
	}
	return shm.ErrClosed
}

// viewsOf returns this process's views of a ring: one for what changes it, and one for what only
// looks. They differ where the process only reads: then the first is of memory of its own, and
// refuses. A close of the segment waits while busy reports true; a nil busy never does.
func viewsOf[V any](o *segment.Object, view func(*segment.Object) (V, error), busy func(V) bool) (r, seen V, err error) {
	seen, err = ring.ViewOf(o, func() (V, error) { return view(o) }, busy)
	w := o.Writable()
	if err != nil || w == o {
		return seen, seen, err
	}
	r, err = ring.ViewOf(w, func() (V, error) { return view(w) }, nil)
	return r, seen, err
}

// String names the queue, its kind and its segment: for people, and for logs.
func (h *object) String() string { return h.o.String() }

// Name is the object's name in its segment, or "" when it has none.
func (h *object) Name() string { return h.o.GivenName() }

// MarshalBinary writes the handle down for another process of this machine, which
// gets the same object with UnmarshalBinary. Options are not part of it.
//
// Errors: [shm.ErrRemoved] when others cannot find the segment, [shm.ErrClosed].
func (h *object) MarshalBinary() ([]byte, error) {
	return segment.MarshalHandle("queue", h.o)
}

// binder is a handle that has not been bound to its object yet.
type binder interface {
	// bind points the handle at the object. Its kind and type are right; its size may be anything.
	bind(*segment.Object) error

	base() *object
}

// find makes or finds the object of a Spec and binds h to it.
func find[H binder](h H, seg *shm.Segment, spec segment.Spec) (H, error) {
	o, _, err := segment.Of(seg).NewContext(seg.Context(), spec)
	return bound(h, o, err)
}

// open finds the object of a Spec, which must exist, and binds h to it.
func open[H binder](h H, seg *shm.Segment, spec segment.Spec) (H, error) {
	spec.Size = segment.AnySize
	o, err := segment.Of(seg).OpenContext(seg.Context(), spec)
	return bound(h, o, err)
}

// unmarshal binds h to the object that b names.
func unmarshal[H binder](h H, b []byte, kind segment.Kind, typ string) error {
	o, err := segment.Unmarshal(b, kind, typ)
	_, err = bound(h, o, err)
	return err
}

func bound[H binder](h H, o *segment.Object, err error) (H, error) {
	if err == nil {
		if err = h.bind(o); err != nil {
			o.Release()
		}
	}
	if err != nil {
		var none H
		return none, fmt.Errorf("queue: %w", err)
	}
	h.base().self = h
	return h, nil
}

// elementOf describes T, or says why it cannot be shared.
func elementOf[T any]() (*elem.Type, error) {
	t, err := elem.Of[T]()
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return t, nil
}
