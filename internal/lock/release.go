package lock

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
)

// enough is how many sleepers an Unlock wakes: one to take the lock, and one to see who
// has taken it. Whoever sleeps then does so on the liveness of an earlier owner, perhaps; but one sleeps on that of
// the present one, and a single death does not leave everybody asleep.
const enough = 2

// unlockSlow frees a lock whose bell is not quiet, or leaves a suspect one to the next repairer. It
// changes the word by compare-and-swap only, so that it is safe for a process that has detached,
// too. It reports false when this process does not hold the lock, and should.
func (m *Mutex) unlockSlow() bool {
	defer runtime.KeepAlive(m)
	for {
		w := m.r.word.Load()
		if !isHeldBy(w, m.me) {
			return m.closer.Closed() || m.life.Lost() // then others were free to take it over
		}
		m.shadow.Release()
		if w&suspect != 0 {
			if m.r.word.CompareAndSwap(w, suspect) { // #5 -> #6
				crashpoint.Here("lock.abandoned")
				m.r.bell.ring(everybody) // those that cannot repair report the death
				return true
			}
			continue
		}
		if m.handOver(w) {
			return true
		}
		if m.r.word.CompareAndSwap(w, 0) { // #2 -> #1
			crashpoint.Here("lock.freed")
			m.r.bell.ringFrom(m.r.bell.lookSwapped(), enough)
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
	if m.gone(g) {
		m.r.starving.CompareAndSwap(g, 0)
		return false
	}
	if !m.r.word.CompareAndSwap(w, g|handed) { // #2 -> #3
		return false
	}
	crashpoint.Here("lock.handed")
	if m.r.starving.Load() != g { // it gave up meanwhile, and may have looked too early to see the offer
		m.r.word.CompareAndSwap(g|handed, 0) // #3 -> #1
		crashpoint.Here("lock.revoked")
	}
	m.r.bell.ring(enough) // they see to it that the lock does not get lost with g
	futex.Wake(address(&m.r.starving), 1)
	return true
}

// gone reports whether g, which was read from shared memory, is nobody who lives.
func (m *Mutex) gone(g uint32) bool {
	return g&^proctab.OwnerMask != 0 || m.party.Member.Table().Dead(proctab.Owner(g))
}
