package segment

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/directory"
)

// Which processes have an object open shows in the users bits of its entry: one for
// each slot of the process table.

// myBit is this process's bit for what is at entry i.
func (s *Segment) myBit(i uint32) directory.UserBit { return s.dir.UserBit(i, s.Me().Slot()) }

// use sets this process's bit in the users word of entry i. It reports false, without the bit, when
// the entry does not have the given state any more: its object was removed. The caller holds s.mu.
func (s *Segment) use(i uint32, state uint64) bool {
	bit := s.myBit(i)
	// SYNC: users: the remover sets the state before it looks at the bits. This process
	// sets its bit before it looks at the state, so that one of the two sees the other.
	bit.Set()
	crashpoint.Here("users.entered")
	if s.dir.Entry(i).State.Load() == state {
		return true
	}
	if !s.objects.uses(i) {
		bit.Clear()
	}
	return false
}

// leave clears this process's bit. The caller holds s.mu.
func (s *Segment) leave(i uint32) {
	s.myBit(i).Clear()
	s.left.Add(1)
	crashpoint.Here("users.left")
}
