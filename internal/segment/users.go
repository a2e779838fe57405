package segment

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Which processes have an object open shows in the users bits of its entry: one for
// each slot of the process table.

// use sets this process's bit in the users word of entry i. It reports false, without the bit, when
// the entry does not have the given state any more: its object was removed. The caller holds s.mu.
func (s *Segment) use(i uint32, state uint64) bool {
	word, bit := s.userBit(i, s.Me().Slot())
	// SYNC: users: the remover sets the state before it looks at the bits. This process
	// sets its bit before it looks at the state, so that one of the two sees the other.
	word.Or(bit)
	crashpoint.Here("users.entered")
	if s.entry(i).state.Load() == state {
		return true
	}
	if !s.objects.uses(i) {
		word.And(^bit)
	}
	return false
}

// leave clears this process's bit. The caller holds s.mu.
func (s *Segment) leave(i uint32) {
	word, bit := s.userBit(i, s.Me().Slot())
	word.And(^bit)
	s.left.Add(1)
	crashpoint.Here("users.left")
}

func (s *Segment) userBit(i uint32, slot int) (word *atomic.Uint64, bit uint64) {
	return s.userWord(i, slot), 1 << (slot % 64)
}

// A userBit is where a process shows that it has an object open.
type userBit struct {
	word *atomic.Uint64 // in the segment
	bit  uint64
}

func (s *Segment) clearUsers(i uint32) {
	for slot := 0; slot < int(s.geo.slots); slot += 64 {
		s.userWord(i, slot).Store(0)
	}
}

// used reports whether a living process has the object open. When it reports false,
// no thread of a process that had it open and died touches its memory any more.
func (s *Segment) used(i uint32) bool {
	for slot := 0; slot < int(s.geo.slots); slot += 64 {
		bits := s.userWord(i, slot).Load()
		for n := slot; bits != 0 && n < int(s.geo.slots); n++ {
			if bits&1 != 0 && !s.table.Gone(n) {
				return true
			}
			bits >>= 1
		}
	}
	return false
}

// forget clears the bits that a dead process left in the slot which is now this process's.
func (s *Segment) forget(slot int) {
	for i := range s.usedEntries() {
		if word, bit := s.userBit(i, slot); word.Load()&bit != 0 {
			word.And(^bit)
			crashpoint.Here("users.forgotten")
		}
	}
}
