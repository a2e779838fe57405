package shmsync

import (
	"fmt"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// handle is what all handles have: one process's view of a named object.
type handle struct {
	_      noCopy
	o      *segment.Object             // immutable from bind to Detach
	self   binder                      // the handle; nil: it is detached
	locked atomic.Pointer[lockedError] // what tried has returned last
}

func (h *handle) base() *handle { return h }

// Detach ends the use of the object by this handle, as that of a [shm.Value] does: with the last
// handle this process lets go of the object. The handle is closed then: its methods return
// [shm.ErrClosed]. It may be called again. No other goroutine may use this handle meanwhile.
//
// Errors: a [*shm.HeldError] when this process holds a lock of the object, or is at work in it: it
// goes on holding the object.
func (h *handle) Detach() error {
	if h.self == nil {
		return nil
	}
	bind := h.self.bind
	h.self = nil
	if err := h.o.Detach(bind); err != nil {
		return fmt.Errorf("shmsync: %w", err)
	}
	return nil
}

// Alive returns nil as long as the object is there.
//
// Errors: [shm.ErrRemoved] when its name leads to no object or to another one; [ErrClosed].
func (h *handle) Alive() error {
	if err := h.o.Alive(); err != nil {
		return fmt.Errorf("shmsync: %w", err)
	}
	return nil
}

// noCopy makes go vet complain about copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Name is the object's name in its segment, or "" when it has none.
func (h *handle) Name() string { return h.o.GivenName() }

// MarshalBinary writes the handle down for another process of this machine, which
// gets the same object with UnmarshalBinary. Options are not part of it.
//
// Errors: [shm.ErrRemoved] when others cannot find the segment or the object, [ErrClosed].
func (h *handle) MarshalBinary() ([]byte, error) {
	return segment.MarshalHandle("shmsync", h.o)
}

// binder is a handle that has not been bound to its object yet.
type binder interface {
	// bind points the handle at the object. Its kind is right; its size may be anything.
	bind(*segment.Object) error

	base() *handle
}

// find makes or finds the object of a Spec and binds h to it.
func find[H binder](h H, seg *shm.Segment, spec segment.Spec) (H, error) {
	o, _, err := segment.Of(seg).NewContext(seg.Context(), spec)
	return bound(h, o, err)
}

// open finds the object of a Spec, which must exist, and binds h to it.
func open[H binder](h H, seg *shm.Segment, spec segment.Spec) (H, error) {
	o, err := segment.Of(seg).OpenContext(seg.Context(), spec)
	return bound(h, o, err)
}

// unmarshal binds h to the object of that kind that b names.
func unmarshal[H binder](h H, b []byte, kind segment.Kind) error {
	o, err := segment.Unmarshal(b, kind, "")
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
		return none, fmt.Errorf("shmsync: %w", err)
	}
	h.base().self = h
	return h, nil
}

// sized is an error when the object is smaller than its kind needs.
func sized(o *segment.Object, bytes int) error {
	if len(o.Payload) < bytes {
		return o.Damaged("its size is impossible")
	}
	return nil
}

// concluded is err, which a look at the object has led to, or [ErrClosed] when this process has
// left the object meanwhile: the look may have met memory of this process's own then, which is
// empty.
func (h *handle) concluded(err error) error {
	if h.o.Closed() {
		return ErrClosed
	}
	return err
}

// slotsOf is how many processes can use objects of the segment at once.
func slotsOf(seg *segment.Segment) int { return seg.Table().Len() }
