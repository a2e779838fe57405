package proctab

import "sync/atomic"

// A Life tells a process whether the others believe that it lives. They do not when it was written
// down and ended (a checkpoint of CRIU) and is restored: the kernel has marked its slot at that
// end, and another process may have the slot by now.
type Life struct {
	word  *atomic.Uint64 // of the slot
	alive uint64         // the bits of beliefMask while the process is believed to live
}

// beliefMask has the bits of a slot's word that tell whether its owner is believed to live.
const beliefMask = ownerDied | epochMask<<epochShift

// Life is that of this attachment. It may be asked as long as the table is mapped.
func (m *Member) Life() Life {
	if m.id == 0 { // an observer
		return Life{new(atomic.Uint64), 0}
	}
	return Life{&m.t.slots[m.n].word, uint64(m.id.epoch()) << epochShift}
}

// Lost reports whether the process was taken for dead. From then on that stays so. After Detach it
// means nothing.
func (l Life) Lost() bool {
	return l.word.Load()&beliefMask != l.alive
}

// leave makes the word of a slot free, of which the owner of that epoch leaves. It does nothing
// when the owner was taken for dead: its traces are still to be removed, and the slot may be
// another process's by now.
func (s *slot) leave(free uint64) {
	for {
		w := s.word.Load()
		if epochOf(w) != epochOf(free) || w&ownerDied != 0 || s.word.CompareAndSwap(w, free) {
			return
		}
	}
}
