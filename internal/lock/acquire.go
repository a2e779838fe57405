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

	// starvation is how long a leader competes before it asks to be handed the lock.
	starvation = time.Millisecond

	// dawdling is how long a lock that was handed to somebody stays reserved for it.
	dawdling = 50 * time.Millisecond

	// silentLook is how often a waiter looks after an owner whose death wakes nobody.
	silentLook = 5 * time.Millisecond
)

// lockSlow waits at the gate, then competes as this process's leader.
func (m *Mutex) lockSlow(ctx context.Context) error {
	select {
	case m.gate <- struct{}{}:
	default:
		select {
		case m.gate <- struct{}{}:
		case <-ctx.Done(): // the caller no longer waits
			return context.Cause(ctx)
		case <-m.party.Closer.Done(): // the segment is being closed
			return ErrClosed
		}
	}
	a := attempt{m: m, spin: wait.NewSpin(m.policy, firstPause, lastPause)}
	err := a.run(ctx)
	<-m.gate
	runtime.KeepAlive(m)
	return err
}

// An attempt is one leader's competition for the lock.
type attempt struct {
	m       *Mutex
	spin    wait.Spin
	keep    uint32    // waiters, once it has slept
	began   time.Time // of the first sleep
	starved bool      // its process's id was put into the starving word
	offer   uint32    // the handed word that it waits behind, and since when
	offered time.Time
}

func (a *attempt) run(ctx context.Context) error {
	m := a.m
	for {
		w := m.r.word.Load()
		switch {
		case isUnrecoverable(w):
			a.withdraw()
			return ErrNotRecoverable
		case isFree(w):
			if m.r.word.CompareAndSwap(w, m.me|a.keep) { // #1 -> #2 or #3
				crashpoint.Here("lock.acquired")
				a.withdraw()
				return m.entered()
			}
		case isHandedTo(w, m.me):
			if m.r.word.CompareAndSwap(w, m.me|waiters) { // #4 -> #3
				crashpoint.Here("lock.taken")
				return m.entered()
			}
		case a.spin.Pause():
		default:
			if done, err := a.park(ctx, w); done {
				return err
			}
		}
	}
}

// park looks after the owner of w, and sleeps until there is something to see.
// It reports true when the attempt is over.
func (a *attempt) park(ctx context.Context, w uint32) (done bool, err error) {
	m, table := a.m, a.m.party.Member.Table()
	owner := proctab.Owner(ownerOf(w))
	live, ok := table.Liveness(owner)
	if !ok || a.dawdles(w) {
		if m.takeOver(w) {
			a.withdraw()
			return true, m.inherited()
		}
		return false, nil
	}
	if err := wait.Over(ctx, m.party.Closer); err != nil {
		a.giveUp()
		return true, err
	}
	if m.policy == wait.Spinning {
		a.spin = wait.NewSpin(m.policy, firstPause, lastPause)
		runtime.Gosched()
		return false, nil
	}
	a.starve()
	if w&waiters == 0 && !m.r.word.CompareAndSwap(w, w|waiters) { // #2 -> #3
		return false, nil
	}
	crashpoint.Here("lock.announced")
	wait.Park(ctx, m.party.Closer, a.limit(w, owner), futex.Word{Addr: m.r.futex(), Val: w | waiters}, live)
	table.Spread(live)
	a.keep = waiters
	return false, nil
}

// limit bounds a sleep by what nobody would wake it for.
func (a *attempt) limit(w uint32, owner proctab.Owner) time.Duration {
	switch {
	case a.m.party.Member.Table().Silent(owner):
		return silentLook
	case w&handed != 0:
		return dawdling
	case a.starved:
		return wait.Backstop
	case time.Since(a.began) < starvation:
		return starvation // then it has to ask, and nobody wakes it for that
	}
	return silentLook // another process has asked first
}

// starve asks to be handed the lock, once this attempt has waited long enough.
func (a *attempt) starve() {
	g := a.m.r.starving.Load()
	a.starved = a.starved && g == a.m.me // it may have been handed the lock, and have lost it by dawdling
	switch {
	case a.began.IsZero():
		a.began = time.Now()
	case !a.starved && time.Since(a.began) >= starvation:
		if g == 0 || g&^proctab.OwnerMask != 0 || a.m.party.Member.Table().Dead(proctab.Owner(g)) {
			a.starved = a.m.r.starving.CompareAndSwap(g, a.m.me)
			crashpoint.Here("lock.starving")
		}
	}
}

// dawdles reports whether w has been handed to a process which does not take it.
func (a *attempt) dawdles(w uint32) bool {
	if w&handed == 0 {
		return false
	}
	if a.offer != w {
		a.offer, a.offered = w, time.Now()
	}
	return time.Since(a.offered) >= dawdling
}

// withdraw ends the request to be handed the lock.
func (a *attempt) withdraw() {
	if a.starved {
		a.m.r.starving.CompareAndSwap(a.m.me, 0)
	}
}

// giveUp leaves without the lock, but passes on what the attempt may have been
// given: a wake-up, or the lock itself. An offer that comes later is taken by
// another waiter, see dawdles.
func (a *attempt) giveUp() {
	m := a.m
	a.withdraw()
	for {
		w := m.r.word.Load()
		switch {
		case isHandedTo(w, m.me):
			if m.r.word.CompareAndSwap(w, m.me|waiters) {
				m.unlockSlow()
				return
			}
		case a.keep == 0 || isUnrecoverable(w):
			return
		case isFree(w):
			futex.Wake(m.r.futex(), 1)
			return
		case w&waiters != 0 || m.r.word.CompareAndSwap(w, w|waiters):
			return
		}
	}
}

// takeOver takes the lock from w, whose owner is dead or does not take what it was
// handed, and reports whether it could.
//
// What a death leaves behind: after the CAS, #5 again. The state word is only
// for the holder's own Unlock.
func (m *Mutex) takeOver(w uint32) bool {
	if !m.r.word.CompareAndSwap(w, m.me|waiters) { // #4, #5 -> #3
		return false
	}
	crashpoint.Here("lock.inherited")
	if w&handed == 0 {
		m.r.dead.Store(ownerOf(w))
		m.r.state.Store(m.r.state.Load() | inconsistent)
		crashpoint.Here("lock.inconsistent")
	}
	return true
}
