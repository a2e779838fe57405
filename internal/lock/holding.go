package lock

import (
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
)

// The holding of a lock is what waiters of this process have seen of its holder, in one word:
//
//	bits  0..29  the holder's id; 0: none was seen
//	bits 30..63  since when, in milliseconds since the Mutex was born
//
// A holder writes down nothing when it locks, for that would be on the fast path. A waiter notes which process it finds
// before it sleeps. So the holder may have had the lock earlier; and one that has unlocked and locked again while
// no waiter of this process looked counts as one that held it all the time.

// observe notes the holder in the word w, which stands in a waiter's way.
func (m *Mutex) observe(w uint32) {
	holder := uint64(ownerOf(w))
	if w&handed != 0 {
		holder = 0
	}
	if m.holding.Load()&proctab.OwnerMask != holder {
		m.holding.Store(uint64(time.Since(m.born).Milliseconds())<<proctab.OwnerBits | holder)
	}
}

// Holding returns which process holds the lock now, and since when waiters of this process have seen that; 0 when
// no process does. The time is zero when none has seen it.
func (m *Mutex) Holding() (holder proctab.Owner, since time.Time) {
	defer runtime.KeepAlive(m)
	w := m.r.word.Load()
	if w&handed != 0 || ownerOf(w) == 0 {
		return 0, since
	}
	holder = proctab.Owner(ownerOf(w))
	if seen := m.holding.Load(); seen&proctab.OwnerMask == uint64(holder) {
		since = m.born.Add(time.Duration(seen>>proctab.OwnerBits) * time.Millisecond)
	}
	return holder, since
}

// Holding is [Mutex.Holding] of the lock that a writer has.
func (l *RWMutex) Holding() (holder proctab.Owner, since time.Time) { return l.writers.Holding() }

// DrainedSince is when the last writer of this process that waited for readers began to wait. Readers that it found then
// have been inside since then, or longer: no other process's come in meanwhile but those whose turn it was.
func (l *RWMutex) DrainedSince() time.Time {
	return l.writers.born.Add(time.Duration(l.turns.Load()) - rwTurn)
}
