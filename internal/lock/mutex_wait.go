package lock

import (
	"context"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

const (
	// firstPause and lastPause bound the pauses between two looks at a lock that is held.
	firstPause = 64
	lastPause  = 1024

	// StarvationTime is how long a leader competes before it asks to be handed the lock, or what it
	// waits for.
	StarvationTime = time.Millisecond

	// UnannouncedPoll is how often a sleeper looks for changes of which no process tells it.
	UnannouncedPoll = 5 * time.Millisecond
)

// newSpin starts a spin that ends, whatever the policy: there is more to look after
// than a spin does.
func newSpin(policy wait.Policy, first uint32) wait.Spin {
	if policy == wait.Spinning {
		policy = wait.Adaptive
	}
	return wait.NewSpin(policy, first, lastPause)
}

// compete waits until the caller is this process's leader, then competes.
func (m *Mutex) compete(ctx context.Context, t takeover) error {
	if m.closer.Closed() { // a process that only reads does not even look
		return m.closer.Err()
	}
	// the leader's wait is in the table of waits; a follower looks only here
	if t.deadlock != nil && m.leading.IsLed() {
		if err := m.closesCycle(t.deadlock); err != nil {
			return err
		}
	}
	if _, err := m.leading.Lead(ctx, m.closer, nil); err != nil {
		return err
	}
	a := attempt{m: m, takeover: t, spin: newSpin(m.policy, firstPause)}
	err := a.run(ctx)
	m.party.Waits.remove(a.listed)
	m.leading.Leave()
	runtime.KeepAlive(m)
	return err
}

// An attempt is one leader's competition for the lock.
type attempt struct {
	m     *Mutex
	spin  wait.Spin
	began time.Time // when spinning had not helped
	slept bool      // the attempt may have used up a wake-up

	takeover
	listed listing
}

// run spins for a while, then sleeps, until it has the lock or a reason to go without.
func (a *attempt) run(ctx context.Context) error {
	for {
		if _, done, err := a.look(false); done {
			return err
		}
		if a.spin.Pause() {
			continue
		}
		if done, err := a.pauseOrSleep(ctx); done {
			return err
		}
	}
}

// look takes the lock if it can. It reports true when the attempt is over, and else the word that
// stands in the way. A checkOwner look finds out whether its owner is still interested.
func (a *attempt) look(checkOwner bool) (w uint32, done bool, err error) {
	m := a.m
	for {
		w = m.r.word.Load()
		next, ok := m.freeWord(w)
		if isHandedTo(w, m.me) {
			next, ok = m.me|w&inconsistent, true // #3 -> #2
		}
		if !ok && checkOwner {
			m.clearHandoff(w)
			next, ok = m.reclaimWord(w)
		}
		if !ok {
			return w, false, nil
		}
		if died := m.deathToReport(a.takeover, w, next); died != nil {
			// each of which reports the death, or repairs
			return w, true, a.giveUp(died, AllSleepers)
		}
		if m.acquireWord(w, next) {
			m.cancelRequest()
			return w, true, m.entered(next)
		}
	}
}

// pauseOrSleep lets time pass after a spin without success: it sleeps, or spins again if
// that is the policy. It reports true when the attempt is over.
func (a *attempt) pauseOrSleep(ctx context.Context) (done bool, err error) {
	m := a.m
	if m.closer.Closed() {
		return true, a.giveUp(m.closer.Err(), wokenByUnlock)
	}
	a.requestHandoff()
	spinning := m.policy == wait.Spinning
	var ticket uint32
	sure := true
	// Once a waiter has requested the hand-off, even one that spins arms the bell, so that Unlock
	// takes its slow path.
	if !spinning || m.hasRequested() {
		ticket, sure = m.r.bell.armFenced()
	}
	// SYNC: bell: this look comes after the arming. An Unlock from here on rings.
	w, done, err := a.look(true)
	if done {
		return true, err
	}
	m.observe(w)
	if err := m.lifeError(); err != nil {
		return true, a.giveUp(err, wokenByUnlock)
	}
	if ctx.Err() != nil {
		return true, a.giveUp(context.Cause(ctx), wokenByUnlock)
	}
	if err := a.post(); err != nil {
		return true, a.giveUp(err, wokenByUnlock)
	}
	if spinning {
		runtime.Gosched()
	} else {
		a.sleep(ctx, w, ticket, sure)
	}
	// a waiter that wakes finds the lock held more often than not, but not for long
	a.spin = newSpin(m.policy, firstPause)
	return false, nil
}

// post puts the wait on the table before its first sleep. It returns an error when that has closed
// a cycle.
func (a *attempt) post() error {
	if a.listed != 0 {
		return nil
	}
	a.listed = a.m.party.Waits.add(a.m.Target)
	if a.listed == 0 || a.deadlock == nil {
		return nil
	}
	return a.m.closesCycle(a.deadlock)
}

// closesCycle returns what deadlock makes of the cycle that a wait of this process for the lock
// closes; nil when there is none.
func (m *Mutex) closesCycle(deadlock func([]Wait) error) error {
	if cycle := m.party.Waits.cycle(m.Target); cycle != nil {
		return deadlock(cycle)
	}
	return nil
}

// sleep sleeps until the bell has rung since ticket was drawn, the owner that w names dies, or ctx
// ends, and for a limited time at most.
func (a *attempt) sleep(ctx context.Context, w, ticket uint32, sure bool) {
	m, table := a.m, a.m.party.Member.Table()
	words := [3]futex.Word{{Addr: m.r.bell.futex(), Val: ticket}}
	n := 1
	if m.hasRequested() {
		words[n] = futex.Word{Addr: address(&m.r.starving), Val: m.me}
		n++
	}
	owner := proctab.Owner(ownerOf(w))
	var live futex.Word
	// A process does not sleep on its own liveness: the kernel wakes one sleeper of the word when
	// the process dies, and that must not be a thread which is dying, too.
	if uint32(owner) != m.me {
		var ok bool
		if live, ok = table.Liveness(owner); !ok {
			return
		}
		words[n] = live
		n++
	}
	limit := a.limit(wait.BackstopOf(ctx), w, sure)
	if table.NeedsPolling(owner) {
		limit = min(limit, UnannouncedPoll)
	}
	a.slept = true
	wait.Park(ctx, m.closer, limit, words[:n]...)
	table.WakeAll(live)
	crashpoint.Here("lock.woken")
}

// limit bounds a sleep by the changes of which no process tells the sleeper.
func (a *attempt) limit(limit time.Duration, w uint32, sure bool) time.Duration {
	if waited := time.Since(a.began); waited < StarvationTime {
		limit = StarvationTime - waited // at that time the process requests the hand-off
	}
	if w&handed != 0 {
		limit = min(limit, HandoffTimeout)
	}
	if !sure {
		limit = min(limit, UnannouncedPoll)
	}
	return limit
}

// requestHandoff asks to be handed the lock, once this attempt has waited long enough.
func (a *attempt) requestHandoff() {
	m := a.m
	if a.began.IsZero() {
		a.began = time.Now()
		return
	}
	if m.hasRequested() || time.Since(a.began) < StarvationTime {
		return
	}
	if g := m.r.starving.Load(); g == 0 || m.ownerDead(g) {
		m.r.starving.CompareAndSwap(g, m.me)
		crashpoint.Here("lock.starving")
	}
}

// hasRequested reports whether the leader of this process asks to be handed the lock.
func (m *Mutex) hasRequested() bool { return m.r.starving.Load() == m.me }

// cancelRequest ends the request to be handed the lock.
func (m *Mutex) cancelRequest() {
	if m.hasRequested() {
		m.r.starving.CompareAndSwap(m.me, 0)
		crashpoint.Here("lock.withdrawn")
	}
}

// giveUp ends an attempt without the lock. It gives back the lock that it may have been handed, and
// wakes up to n others in its place if it may have used up a wake-up. It cancels its request before
// it looks at the word: a holder that hands the lock over later finds no request, see handOver.
func (a *attempt) giveUp(err error, n int) error {
	m := a.m
	m.cancelRequest()
	refused := false
	if w := m.r.word.Load(); isHandedTo(w, m.me) {
		refused = m.r.word.CompareAndSwap(w, 0) // #3 -> #1
		crashpoint.Here("lock.refused")
	}
	if a.slept || refused {
		m.r.bell.ring(n)
	}
	return err
}
