package segment

import "github.com/shmkit/shmkit/internal/crashpoint"

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
