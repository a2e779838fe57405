package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// object is what all handles have: one process's view of a named object.
type object struct {
	_    noCopy
	o    *segment.Object // immutable from bind to Detach
	self binder          // the handle; nil: it is detached
}

func (h *object) base() *object { return h }

// Name is the object's name in its segment, or "" when it has none.
func (h *object) Name() string { return h.o.GivenName() }

// Segment is the segment that the object is in. If it was attached for the sake of a handle only,
// it is the caller's to close from here on.
func (h *object) Segment() *Segment {
	h.o.Seg.Own()
	return &Segment{s: h.o.Seg}
}

// Detach ends the use of the object by this handle. With the last handle of an object this process
// lets go of the object; its memory is free if it was removed. And with its last object of a
// segment that was attached for the sake of a handle only, as one that came in a message, it leaves
// the segment. Without Detach both happen when the garbage collector finds the handles unreachable.
//
// After it the handle is closed, as after [Segment.Close]: its methods return [ErrClosed], and what
// cannot return an error works for this process alone, beginning with zeros. Slices of it must not
// be used any more. Detach may be called again.
//
// No other goroutine may use this handle meanwhile: Detach writes to it. Goroutines that end their
// use at different times have a handle each, which share all else.
//
// Errors: a [*HeldError] when this process holds the object's lock: then it goes on holding the
// object.
func (h *object) Detach() error {
	if h.self == nil {
		return nil
	}
	bind := h.self.bind
	h.self = nil
	if err := h.o.Detach(bind); err != nil {
		return fmt.Errorf("shm: %w", err)
	}
	return nil
}

// MarshalBinary writes the handle down for another process of this machine, which
// gets the same object with UnmarshalBinary. It needs the segment attached, or a path to it.
//
// Errors: [ErrRemoved] when others cannot find the segment, [ErrClosed].
func (h *object) MarshalBinary() ([]byte, error) {
	return segment.MarshalHandle("shm", h.o)
}

// binder is a handle that has not been bound to its object yet.
type binder interface {
	// bind points the handle at the object, which is of the right kind and type.
	bind(*segment.Object) error

	base() *object
}

// find makes or finds the object of a Spec and binds h to it.
func find(h binder, seg *Segment, spec segment.Spec) error {
	o, _, err := segment.Of(seg).NewContext(seg.Context(), spec)
	return finish(h, o, err)
}

// findAnySize is find for kinds whose objects of one type differ in size: one that exists is taken
// as it is.
func findAnySize(h binder, seg *Segment, spec segment.Spec) error {
	existing := spec
	existing.Size = segment.AnySize
	err := open(h, seg, existing)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = find(h, seg, spec)
	var m *MismatchError
	if errors.As(err, &m) && m.SizeDiffers { // another process has made it meanwhile
		err = open(h, seg, existing)
	}
	return err
}

// open finds the object of a Spec, which must exist, and binds h to it.
func open(h binder, seg *Segment, spec segment.Spec) error {
	o, err := segment.Of(seg).OpenContext(seg.Context(), spec)
	return finish(h, o, err)
}

// unmarshal binds h to the object that b names.
func unmarshal(h binder, b []byte, kind segment.Kind, typ string) error {
	o, err := segment.Unmarshal(b, kind, typ)
	return finish(h, o, err)
}

func finish(h binder, o *segment.Object, err error) error {
	if err == nil {
		if err = h.bind(o); err != nil {
			o.Release()
		}
	}
	if err != nil {
		return fmt.Errorf("shm: %w", err)
	}
	h.base().self = h
	return nil
}

// elementOf describes T, or says why it cannot be shared.
func elementOf[T any]() (*elem.Type, error) {
	t, err := elem.Of[T]()
	if err != nil {
		return nil, fmt.Errorf("shm: %w", err)
	}
	return t, nil
}

// failed says of which object an operation has failed.
func (h *object) failed(err error) error {
	if errors.Is(err, lock.ErrNotHeld) {
		err = errOverwritten // no function of this package unlocks what it repairs
	}
	if readOnly := new(segment.ReadOnlyError); errors.As(err, &readOnly) {
		return fmt.Errorf("shm: %w", readOnly) // it names the object
	}
	return fmt.Errorf("shm: %v %q of %s: %w", h.o.Kind, h.o.Name, h.o.Seg.Path(), err)
}

// notLocked says why the lock of the object was not taken: err, and which process held it when that
// is the end of ctx.
func (h *object) notLocked(ctx context.Context, m *lock.Mutex, err error) error {
	if ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)) {
		return h.failed(err)
	}
	holder, since := m.Holding()
	if holder == 0 {
		return h.failed(fmt.Errorf("change it: %w", err))
	}
	who, _ := h.o.Seg.Table().Info(holder)
	return h.failed(fmt.Errorf("change it: locked by %v since %s or earlier: %w", who, since.Format(wait.Clock), err))
}

var errOverwritten = fmt.Errorf("%w: its lock was overwritten: remove it and make it anew", ErrCorrupt)

// closed is an error when this process has closed the segment; or, where it only reads, when the
// object was removed.
func (h *object) closed() error {
	if h.o.Closed() {
		return h.gone()
	}
	return nil
}

// gone is why the object is not there any more for this process.
func (h *object) gone() error { return h.failed(h.o.Gone()) }

// Alive returns nil as long as the object is there. A method that has no error to return, of a
// process that only reads, returns zeros when the object was removed: Alive tells.
//
// Errors: [ErrRemoved] when its name leads to no object or to another one; [ErrClosed].
func (h *object) Alive() error {
	if err := h.o.Alive(); err != nil {
		return fmt.Errorf("shm: %w", err)
	}
	return nil
}

// unlock ends a change under the object's lock. It sets err, if that is nil, when others may not
// see the change: when the lock was overwritten, or Close has not waited for the change.
func (h *object) unlock(m *lock.Mutex, err *error) {
	// Asked before the lock is given up: Close waits for its holder, unless it has given up.
	left := h.o.Closed() && h.o.Seg.Detached()
	if !m.TryUnlock() || left {
		h.notUnlocked(err)
	}
}

// notUnlocked says why others may not see a change.
func (h *object) notUnlocked(err *error) {
	if h.o.Closed() {
		h.blame(ErrClosed, err)
	} else {
		h.blame(errOverwritten, err)
	}
}

// blame sets err, if that is nil.
func (h *object) blame(cause error, err *error) {
	if *err == nil {
		*err = h.failed(cause)
	}
}

// damaged says that an object's payload cannot be what its kind needs.
func damaged(o *segment.Object) error { return o.Damaged("its size is impossible") }

// checked returns h, or nil with the error.
func checked[H any](h H, err error) (H, error) {
	if err != nil {
		var none H
		return none, err
	}
	return h, nil
}

// orderOf tells the race detector, which does not see mapped memory, what an
// object without a lock orders between goroutines of this process.
func orderOf(o *segment.Object) *race.Shadow {
	return o.Local(func() (any, func() bool) { return new(race.Shadow), nil }).(*race.Shadow)
}

// A guarded is what the handles of an object with a lock share within a process.
type guarded struct {
	m     *lock.Mutex
	order race.Shadow // of what readers see without the lock
	// the holder runs code of a user, for which a close of the segment does not wait long
	calling atomic.Bool
}

// guardOf is the lock at the start of an object's payload.
func guardOf(o *segment.Object) *guarded {
	return o.Local(func() (any, func() bool) {
		g := &guarded{m: lock.NewMutex(o.Party(), o.LockMemory(o.Payload[:lock.RegionBytes]), wait.Adaptive)}
		g.m.Target = o.Target(lock.RoleLock)
		return g, func() bool { return o.Seg.StillHeld(g.m.Held, &g.calling) }
	}).(*guarded)
}
