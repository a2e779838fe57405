package lock

import (
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// dawdling is how long a lock that was handed to somebody stays reserved for it: longer than
// a sleeper needs to wake up, and no longer, for nobody else has the lock meanwhile.
const dawdling = 5 * time.Millisecond

// vacant returns what the word w becomes when this process takes the lock, if nobody has it.
func (m *Mutex) vacant(w uint32) (next uint32, ok bool) {
	return m.me | w&suspect, ownerOf(w) == 0 // #1 -> #2, #6 -> #5
}

// forfeited returns what the word w becomes when this process takes the lock, if the
// owner is dead, or does not take what it was handed.
func (m *Mutex) forfeited(w uint32) (next uint32, ok bool) {
	owner := ownerOf(w)
	switch {
	case owner == m.me && w&handed == 0:
		return 0, false
	case owner != m.me && m.party.Member.Table().Dead(proctab.Owner(owner)):
		// Before the word changes: when this process dies, too, everybody has seen it.
		m.r.bell.ring(everybody)
		if w&handed == 0 {
			return m.me | suspect, true // #4 -> #5
		}
		return m.me | w&suspect, true // #3 -> #2: the dead never held it. Suspect are only damaged bytes
	case w&handed != 0 && m.lies(w):
		return m.me | w&suspect, true // #3 -> #2
	}
	return 0, false
}

// take changes the word from w to next, which makes this process the holder, and
// reports whether it could.
//
// What a death leaves behind: after the CAS, #4.
func (m *Mutex) take(w, next uint32) bool {
	if !m.r.word.CompareAndSwap(w, next) {
		return false
	}
	crashpoint.Here("lock.taken")
	m.holds()
	if owner := ownerOf(w); next&suspect != 0 && owner != 0 {
		m.r.dead.Store(owner)
		crashpoint.Here("lock.named")
	}
	return true
}

// lies reports whether w, which was handed to a living process, is there for the
// taking: that process has given up, or lets it lie for too long. Then it has to ask again.
func (m *Mutex) lies(w uint32) bool {
	g := ownerOf(w)
	if m.r.starving.Load() != g {
		return true
	}
	if g == m.me || !m.dawdles(w) {
		return false
	}
	m.r.starving.CompareAndSwap(g, 0)
	crashpoint.Here("lock.dawdled")
	return true
}

// dawdles reports whether this process has seen the word w, which says handed, for too long. It remembers
// the word and the time in microseconds at which it was first seen. That another offer of the same kind came in
// between may escape it; then a turn is taken too early, and has to be asked for again.
func (m *Mutex) dawdles(w uint32) bool {
	now := uint32(time.Since(m.born).Microseconds())
	seen := m.offer.Load()
	if uint32(seen) != w {
		m.offer.Store(uint64(now)<<32 | uint64(w))
		return false
	}
	return now-uint32(seen>>32) >= uint32(dawdling.Microseconds())
}

// notice forgets an offer that is over.
func (m *Mutex) notice(w uint32) {
	if w&handed == 0 && m.offer.Load() != 0 {
		m.offer.Store(0)
	}
}
