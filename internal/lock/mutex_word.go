package lock

import (
	"cmp"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
)

// HandoffTimeout is how long a lock that was handed to a process stays reserved for it: longer than
// a sleeper needs to wake up, and no longer, as no other process has the lock meanwhile.
const HandoffTimeout = 5 * time.Millisecond

// A takeover says what an attempt does with a lock of a dead owner, and with a cycle of waits.
type takeover struct {
	reports  bool // leaves the lock as it is, and reports the death
	deadlock func([]Wait) error
}

func (o *LockOptions) takeover() takeover {
	return takeover{reports: o.Repair == nil, deadlock: o.Deadlock}
}

// freeWord returns what the word w becomes when this process takes the lock, if it has no owner.
func (m *Mutex) freeWord(w uint32) (next uint32, ok bool) {
	return m.me | w&inconsistent, ownerOf(w) == 0 // #1 -> #2, #6 -> #5
}

// reclaimWord returns what the word w becomes when this process takes the lock, if the
// owner is dead, or does not take what it was handed.
func (m *Mutex) reclaimWord(w uint32) (next uint32, ok bool) {
	owner := ownerOf(w)
	switch {
	case owner == m.me && w&handed == 0:
		return 0, false
	case owner != m.me && m.party.Member.Table().Dead(proctab.Owner(owner)):
		// Before the word changes: when this process dies, too, all sleepers have seen the death.
		m.r.bell.ring(AllSleepers)
		if w&handed == 0 {
			return m.me | inconsistent, true // #4 -> #5
		}
		// #3 -> #2: the dead never held it. Suspect are only damaged bytes
		return m.me | w&inconsistent, true
	case w&handed != 0 && m.handoffExpired(w):
		return m.me | w&inconsistent, true // #3 -> #2
	}
	return 0, false
}

// acquireWord changes the word from w to next, which makes this process the holder, and
// reports whether it could.
//
// What a death leaves behind: after the CAS, #4.
func (m *Mutex) acquireWord(w, next uint32) bool {
	if !m.r.word.CompareAndSwap(w, next) {
		return false
	}
	crashpoint.Here("lock.taken")
	m.clearReleasing()
	if owner := ownerOf(w); next&inconsistent != 0 && owner != 0 {
		m.r.dead.Store(owner)
		crashpoint.Here("lock.named")
		m.party.Member.Table().TookOver(proctab.Owner(owner), uint64(cmp.Or(m.Part, m.Target)))
	}
	return true
}

// handoffExpired reports whether w, which was handed to a living process, is there for the
// taking: that process has given up, or lets it lie for too long. Then it has to ask again.
func (m *Mutex) handoffExpired(w uint32) bool {
	g := ownerOf(w)
	if m.r.starving.Load() != g {
		return true
	}
	if g == m.me || !m.offer.Expired(w) {
		return false
	}
	m.r.starving.CompareAndSwap(g, 0)
	crashpoint.Here("lock.dawdled")
	return true
}

// clearHandoff forgets an offer that is over.
func (m *Mutex) clearHandoff(w uint32) {
	if w&handed == 0 {
		m.offer.Reset()
	}
}

// wokenByUnlock is how many sleepers an Unlock wakes: one to take the lock, and one to see which
// process has taken it. Later sleepers may sleep on the liveness of an earlier owner; but one
// sleeps on that of the present owner, so that a single death does not leave all of them asleep.
const wokenByUnlock = 2

// unlockSlow frees a lock when its bell is not quiet, or leaves an inconsistent one to the next
// repairer. It changes the word by compare-and-swap only, so that it is safe for a process that has
// detached, too. It reports false when this process does not hold the lock, and should.
func (m *Mutex) unlockSlow() bool {
	defer runtime.KeepAlive(m)
	for {
		w := m.r.word.Load()
		if !isHeldBy(w, m.me) {
			// Others were free to take the lock over, or the word was overwritten.
			return m.closer.Closed() || m.life.Lost() || m.endRecord()
		}
		m.beginRelease()
		m.shadow.Release()
		if w&inconsistent != 0 {
			if m.r.word.CompareAndSwap(w, inconsistent) { // #5 -> #6
				crashpoint.Here("lock.abandoned")
				m.r.bell.ring(AllSleepers) // waiters that cannot repair report the death
				return true
			}
			continue
		}
		if m.handOver(w) {
			return true
		}
		if m.r.word.CompareAndSwap(w, 0) { // #2 -> #1
			crashpoint.Here("lock.freed")
			m.r.bell.ringFrom(m.r.bell.lookSwapped(), wokenByUnlock)
			return true
		}
	}
}

// handOver gives the lock, which this process holds as w, to the process that
// starves, if there is one. It is an offer that holds for as long as that process asks for it.
//
// What a death leaves behind: before the first CAS, a lock that is held. After it, an offer that
// the sleepers do not know of: they sleep on the liveness of this process.
func (m *Mutex) handOver(w uint32) bool {
	g := m.r.starving.Load()
	if g == 0 {
		return false
	}
	if m.ownerDead(g) {
		m.r.starving.CompareAndSwap(g, 0)
		return false
	}
	if !m.r.word.CompareAndSwap(w, g|handed) { // #2 -> #3
		return false
	}
	crashpoint.Here("lock.handed")
	// it gave up meanwhile, and may have looked too early to see the offer
	if m.r.starving.Load() != g {
		m.r.word.CompareAndSwap(g|handed, 0) // #3 -> #1
		crashpoint.Here("lock.revoked")
	}
	m.r.bell.ring(wokenByUnlock) // they see to it that the lock does not get lost with g
	futex.Wake(address(&m.r.starving), AllSleepers)
	return true
}

// ownerDead reports whether no living process has the id g, which was read from shared memory.
func (m *Mutex) ownerDead(g uint32) bool {
	return g&^proctab.OwnerMask != 0 || m.party.Member.Table().Dead(proctab.Owner(g))
}
