package segment

import (
	"runtime"
	"slices"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// Subject names the wait for this object in a role, for the board of those who wait.
func (o *Object) Subject(role lock.Role) lock.Subject {
	return lock.NewSubject(role, o.index, o.serial)
}

// Awaited is a view, for reading only, of the object that a wait is for. This process need not have it open: what
// it reads there may be another object's by then, or garbage. It reports false when there is no such object.
func (s *Segment) Awaited(sub lock.Subject) (o *Object, ok bool) {
	i := sub.Index()
	if i >= s.usedEntries() {
		return nil, false
	}
	state := s.entry(i).state.Load()
	if state&stateMask == stateFree || uint32(state>>serialShift) != sub.Serial() {
		return nil, false
	}
	o, err := s.view(i, state>>serialShift)
	if err != nil || s.entry(i).state.Load() != state {
		return nil, false
	}
	return o, true
}

// exclusiveHolder is who has alone what a wait is for, or 0.
func (s *Segment) exclusiveHolder(sub lock.Subject) proctab.Owner {
	if o, ok := s.Awaited(sub); ok {
		return o.exclusiveHolder(sub.Role())
	}
	return 0
}

// exclusiveHolder is who has alone what a wait in this role for the object is for, or 0.
func (o *Object) exclusiveHolder(role lock.Role) (holder proctab.Owner) {
	switch role {
	case lock.RoleLock, lock.RoleRLock, lock.RoleOnce: // each object with such a role begins with its lock
		if len(o.Payload) >= lock.RegionBytes {
			holder = lock.HolderIn(o.Payload)
		}
	}
	runtime.KeepAlive(o)
	return holder
}

// Holders are the living processes that are known to hold what a wait in this role for the object is for, each once.
func (o *Object) Holders(role lock.Role) []proctab.Owner {
	return o.Seg.living(o.exclusiveHolder(role))
}

// DirectoryHolders is who has the segment's own lock.
func (s *Segment) DirectoryHolders() []proctab.Owner { return s.living(s.lock.Owner()) }

// living are those of the owners that can be, and live. What they were read from may be garbage.
func (s *Segment) living(owners ...proctab.Owner) []proctab.Owner {
	slices.Sort(owners)
	return slices.DeleteFunc(slices.Compact(owners), func(o proctab.Owner) bool {
		return o == 0 || o&^proctab.OwnerMask != 0 || s.table.Dead(o)
	})
}
