package segment

import (
	"runtime"
	"slices"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// Target names the wait for this object in a role, for the table of waits.
func (o *Object) Target(role lock.Role) lock.Target {
	return lock.NewTarget(role, o.index, o.serial)
}

// StripeTarget is Target for one of the locks of a Dict.
func (o *Object) StripeTarget(role lock.Role, stripe uint64) lock.Target {
	return lock.NewStripeTarget(role, o.index, o.serial, uint32(stripe))
}

// Awaited is a view, for reading only, of the object that a wait is for. This process need not have
// it open: what it reads there may be another object's by then, or garbage. It reports false when
// there is no such object.
func (s *Segment) Awaited(sub lock.Target) (o *Object, ok bool) {
	i := sub.Index()
	if i >= s.dir.UsedEntries() {
		return nil, false
	}
	state := s.dir.Entry(i).State.Load()
	if state&directory.StateMask == directory.StateFree || !sub.Names(state>>directory.SerialShift) {
		return nil, false
	}
	o, err := s.view(i, state>>directory.SerialShift)
	if err != nil || s.dir.Entry(i).State.Load() != state {
		return nil, false
	}
	return o, true
}

// exclusiveHolder is the owner that has alone what a wait is for, or 0.
func (s *Segment) exclusiveHolder(sub lock.Target) proctab.Owner {
	if o, ok := s.Awaited(sub); ok {
		return o.exclusiveHolder(sub)
	}
	return 0
}

// exclusiveHolder is the owner that has alone what a wait in this role for the object is for, or 0.
func (o *Object) exclusiveHolder(target lock.Target) (holder proctab.Owner) {
	if at, ok := LockAt(o.Kind, target); ok && o.isReadable() && len(o.Payload) > at {
		holder = lock.HolderIn(o.Payload[at:])
	}
	runtime.KeepAlive(o)
	return holder
}

// Where locks lie in the payload of objects that do not begin with theirs.
const (
	onceLockAt     = 8
	dictLocksAt    = 128 // the first lock of a Dict
	dictLocksApart = 256

	// of a broadcast that waits
	castTurnsAt   = 544 // the writers' lock
	castAwaitedAt = 384 // names the reader that a writer without room waits for
	castStatesAt  = 640 // begin with the owners of the readers
)

// Holders are the living processes that a wait goes on for, as far as that is known, each once.
func (s *Segment) Holders(o *Object, sub lock.Target) (all []proctab.Owner) {
	if !o.isReadable() {
		return nil
	}
	role := sub.Role()
	if role.IsExclusive() {
		all = []proctab.Owner{o.exclusiveHolder(sub)}
	} else {
		all = SharersIn(o.Kind, role, o.Payload)
	}
	if role == lock.RoleBarrier {
		all = s.absent(all, sub)
	}
	runtime.KeepAlive(o)
	return s.living(all...)
}

// absent are those of the owners that do not wait for sub themselves.
func (s *Segment) absent(owners []proctab.Owner, sub lock.Target) []proctab.Owner {
	s.party.Waits.All(func(p lock.Wait) bool {
		if p.Target == sub {
			owners = slices.DeleteFunc(owners, func(o proctab.Owner) bool { return o == p.Owner })
		}
		return true
	})
	return owners
}

// DirectoryHolders is the process that has the segment's own lock.
func (s *Segment) DirectoryHolders() []proctab.Owner {
	return s.living(lock.HolderIn(directory.LockIn(s.mem)))
}

// living are those of the owners that can be, and live. What they were read from may be garbage.
func (s *Segment) living(owners ...proctab.Owner) []proctab.Owner {
	slices.Sort(owners)
	return slices.DeleteFunc(slices.Compact(owners), func(o proctab.Owner) bool {
		return o == 0 || o&^proctab.OwnerMask != 0 || s.table.Dead(o)
	})
}
