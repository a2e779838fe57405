package segment

import (
	"context"
	"fmt"
	"runtime"

	"github.com/shmkit/shmkit/internal/directory"
)

// An object without a name is reached by handles alone, and freed with the last of them: when no
// living process has it open. A handle that is on its way, as bytes, does not count.
//
// The object is in the ring of retired objects from its birth on, as removed ones are, but its
// state tells that handles still lead to it. All changes are made under the directory's lock:
//
//	birth     free → unnamed, the creator's users bit, the ring
//	open      the process's users bit, then a look whether the state is still unnamed
//	reclaim   no users bit: unnamed → removed, a second look at the bits, and then either
//	          removed → free, or removed → unnamed when a process has opened it in between
//
// An opener that sees removed asks again under the lock, where the state is settled. An entry of a
// named object has the length of its name; so an entry without one that is removed was in the
// middle of a reclaim, and becomes unnamed again when the lock is taken over from a dead process.
//
// What a death leaves behind:
//
//	before the state is unnamed     a block that no entry claims; rebuild frees it
//	after it, before the ring       an entry in no ring; rebuild puts it there
//	in the ring, creator dead       an object without users; the next reclaim frees it
//	between the two looks           removed without a name; rebuild makes it unnamed, in the ring
//	after the block was freed       removed without a block; rebuild frees the entry
//	a holder, at any point          its users bit, which counts no more; the next reclaim

// newUnnamed makes an object without a name, which this process has open.
func (s *Segment) newUnnamed(ctx context.Context, spec Spec) (o *Object, err error) {
	if err := s.checkSpec(spec); err != nil {
		return nil, err
	}
	if s.ReadOnly() {
		return nil, s.refused()
	}
	if err := s.CheckNamed(); err != nil {
		return nil, err
	}
	err = s.withRoom(ctx, func() error {
		i, state, err := s.dir.Build(spec.record(), directory.StateUnnamed)
		if err != nil {
			return err
		}
		// No sweep looks at the object before the lock is given up.
		if o, err = s.open(i, state); err == nil && o == nil {
			err = s.dir.Corrupt("a new object has gone")
		}
		s.dir.Retire(i)
		return err
	})
	runtime.KeepAlive(s)
	return o, err
}

// canOpen reports whether a handle that names p leads to an object whose entry is in that state.
func (p place) canOpen(state uint64) bool {
	return state == p.serial<<directory.SerialShift|directory.StateLive || state == p.serial<<directory.SerialShift|directory.StateUnnamed
}

// isRemoved reports whether handles do not lead to what was at p any more.
func (p place) isRemoved(state uint64) bool { return !p.canOpen(state) }

// isRetired reports whether what was at p is freed when the last process has let go of it.
func (p place) isRetired(state uint64) bool {
	return state != p.serial<<directory.SerialShift|directory.StateLive
}

// openPlace opens the object at a place; nil when it is not there any more.
func (s *Segment) openPlace(p place) (o *Object, err error) {
	e := s.dir.Entry(p.index)
	if state := e.State.Load(); p.canOpen(state) {
		if o, err = s.open(p.index, state); o != nil || err != nil {
			return o, err
		}
	}
	if state := e.State.Load(); state>>directory.SerialShift != p.serial || state&directory.StateMask == directory.StateFree || e.NameBytes != 0 || s.ReadOnly() {
		return nil, nil
	}
	err = s.locked(func() (err error) { // a reclaim may be between its looks
		if state := e.State.Load(); p.canOpen(state) {
			o, err = s.open(p.index, state)
		}
		return err
	})
	return o, err
}

// GivenName is the object's name, or "" when it has none.
func (o *Object) GivenName() string {
	if o.unnamed {
		return ""
	}
	return o.Name
}

// label is what errors call an object without a name.
func label(serial uint64) string { return fmt.Sprintf("(without a name, number %d)", serial) }
