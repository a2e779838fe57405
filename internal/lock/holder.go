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
// A holder writes down nothing when it locks, for that would be on the fast path. A waiter notes
// which process it finds before it sleeps. So the holder may have had the lock earlier; and one
// that has unlocked and locked again while no waiter of this process looked counts as one that held
// it all the time.

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

// Owner is the process that holds the lock now, or has been handed it; 0 when no process does.
func (m *Mutex) Owner() proctab.Owner {
	owner := proctab.Owner(ownerOf(m.r.word.Load()))
	runtime.KeepAlive(m)
	return owner
}

// State reports whether this process holds the lock, and whether the lock waits for repair then.
func (m *Mutex) State() (held, waitsForRepair bool) {
	w := m.r.word.Load()
	return isHeldBy(w, m.me), w&inconsistent != 0
}

// HasLiveHolder reports whether a living process holds the lock. One that has only been handed it
// does not hold it.
func (m *Mutex) HasLiveHolder() bool { return m.hasLiveHolder(m.r.word.Load()) }

func (m *Mutex) hasLiveHolder(w uint32) bool {
	owner := proctab.Owner(ownerOf(w))
	return w&handed == 0 && owner != 0 && (uint32(owner) == m.me || !m.party.Member.Table().Dead(owner))
}

// WatchHolder has a sleeper watch the process that holds the lock, and reports whether there may be
// no living holder, so that [Mutex.HasLiveHolder] must be asked again after the sleep.
func (m *Mutex) WatchHolder(w *Watch) (doubtful bool) {
	word := m.r.word.Load()
	m.observe(word)
	switch {
	case word&handed != 0:
		doubtful = true
		w.Look(HandoffTimeout)
	case !m.hasLiveHolder(word):
		w.Look(0)
		return true
	}
	w.Process(proctab.Owner(ownerOf(word)))
	return doubtful
}

// Holding returns which process holds the lock now, and since when waiters of this process have
// seen that; 0 when no process does. The time is zero when none has seen it.
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

// HolderIn is the process that holds the lock in mem; 0 when none does, or when the lock has been
// handed to one that has not taken it yet.
func HolderIn(mem []byte) proctab.Owner {
	if len(mem) < RegionBytes {
		return 0
	}
	w := mutexRegionIn(mem).word.Load()
	if w&handed != 0 {
		return 0
	}
	return proctab.Owner(ownerOf(w))
}

// Orphaned reports whether the lock waits for repair: #4 or #6.
func (m *Mutex) Orphaned() bool {
	defer runtime.KeepAlive(m)
	w := m.r.word.Load()
	switch {
	case w&handed != 0:
		return false
	case ownerOf(w) == 0:
		return w&inconsistent != 0
	}
	return m.ownerDead(ownerOf(w))
}
