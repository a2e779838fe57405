package proctab

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mapping"
)

// A Member is this process's place in a table, from Attach to Detach.
type Member struct {
	t    *Table
	n    int      // slot; immutable
	id   Owner    // immutable
	lock *os.File // has its byte locked; nil when the system refuses that
	list bool     // it lives by the robust list; if not, by the byte lock
	once sync.Once
}

// Observer stands for a process that only reads the table: it has no slot, no id, and no life that
// others could doubt. It is not to be detached.
func (t *Table) Observer() *Member { return &Member{t: t} }

// ID is the owner id of this attachment; 0 for an observer.
func (m *Member) ID() Owner { return m.id }

// Table is the table that m belongs to.
func (m *Member) Table() *Table { return m.t }

// Attach takes a slot for this process. Of the slots that are free or belong to a dead process it
// takes the least used one, so that dead processes can be named for as long as possible. It reports
// crashed when the slot's last process died without detaching, and may have left traces to remove.
//
// A Table has one Member at a time; a second call before Detach panics. To attach twice, make two
// Tables.
//
// Errors: [ErrTooManyProcesses]; without robust lists, those of locking the file.
func (t *Table) Attach() (m *Member, crashed bool, err error) {
	if !t.attached.CompareAndSwap(false, true) {
		panic("proctab.Table.Attach: this table is attached to already")
	}
	m = &Member{t: t, list: theKeeper().takePlace(), lock: t.Lock()}
	if !m.list && m.lock == nil {
		t.attached.Store(false)
		return nil, false, noSignOfLife(errNoLock)
	}
	if crashed, err = m.claimAny(); err != nil {
		m.leave()
		return nil, false, err
	}
	t.slots[m.n].writeInfo(m.id.epoch())
	runtime.KeepAlive(t)
	tellMissing()
	return m, crashed, nil
}

var errNoLock = errors.New("the file cannot be opened anew")

// noSignOfLife says what is missing for this process's death to be noticed by others.
func noSignOfLife(err error) error {
	return fmt.Errorf("the death of this process could not be noticed: robust lists (set_robust_list) are refused or full, "+
		"and in their place open-file-description locks (fcntl F_OFD_SETLK) are needed: allow one of them: %w", err)
}

// A process claims or leaves a slot in microseconds, unless it is stopped in the middle.
const (
	claimPatience = 200 * time.Millisecond
	claimPause    = 100 * time.Microsecond
)

// claimAny claims a slot, and reports whether the process that had it before has crashed.
func (m *Member) claimAny() (crashed bool, err error) {
	t := m.t
	busy := make([]bool, len(t.slots))
	for began := time.Now(); ; {
		n, w := t.leastUsed(busy)
		if n < 0 {
			if !slices.Contains(busy, true) || time.Since(began) > claimPatience {
				return false, ErrTooManyProcesses
			}
			clear(busy) // a process that claims or leaves a slot has done so in a moment
			time.Sleep(claimPause)
			continue
		}
		if w&livenessMask != 0 {
			t.confirmDead(n, w) // with the next epoch in the slot no other process will
			w = t.noteDeath(n, w)
		}
		ok, err := m.claim(n, w, busy)
		if err != nil {
			return false, noSignOfLife(err)
		}
		if ok {
			m.n, m.id = n, ownerOf(n, nextEpoch(epochOf(w)))
			t.me.Store(uint32(m.id))
			return w&livenessMask != 0, nil
		}
	}
}

// leastUsed returns the number and word of the slot to claim next, or -1.
func (t *Table) leastUsed(busy []bool) (best int, word uint64) {
	best = -1
	for n := range t.slots {
		w := t.slots[n].word.Load()
		if busy[n] || alive(w) && !t.lockGone(n, w) {
			continue
		}
		if best < 0 || epochOf(w) < epochOf(word) {
			best, word = n, w
		}
	}
	return best, word
}

// claim reports whether slot n, which held w, is this process's now. When another
// one is just about to claim or to leave it, claim notes that in busy.
func (m *Member) claim(n int, w uint64, busy []bool) (ok bool, err error) {
	s := &m.t.slots[n]
	unlock, ok, err := m.lockByte(n)
	if err != nil || !ok {
		busy[n] = true
		return false, err
	}
	crashpoint.Here("proctab.claim.locked")
	if m.list {
		if ok = theKeeper().claim(s, w, m.lock != nil); !ok || m.lock == nil {
			unlock()
		}
		return ok, nil
	}
	// SYNC: claim: with this the process is alive for all others, as long as it has the lock.
	if ok = s.word.CompareAndSwap(w, claimed(w, theKeeper().tid)|byteLocked); !ok {
		unlock()
	}
	crashpoint.Here("proctab.claim.bylock")
	return ok, nil
}

// Detach gives the slot back and wakes the waiters for this process. Objects that the process still
// owns count as those of a dead process. Detach may be called again.
func (m *Member) Detach() {
	m.once.Do(func() {
		s := &m.t.slots[m.n]
		free := freed(m.id.epoch())
		if m.list {
			unlock := func() {}
			if m.lock == nil {
				// a process that has it now will find the slot changed
				unlock, _, _ = m.lockByte(m.n)
			}
			theKeeper().release(s, free)
			unlock()
		} else {
			// SYNC: release: with this the owner has left.
			s.leave(free)
			crashpoint.Here("proctab.release.bylock")
			futex.Wake(s.liveness(), math.MaxInt32)
		}
		m.leave()
	})
	runtime.KeepAlive(m)
}

// leave gives back what the process has besides the slot.
func (m *Member) leave() {
	if m.list {
		theKeeper().givePlace()
	}
	m.t.CloseLock() // and with it the lock
	m.t.attached.Store(false)
}

// lockByte locks the byte of slot n and reports whether it could. A process that lives by the list
// goes without where the system has no such locks.
func (m *Member) lockByte(n int) (unlock func(), ok bool, err error) {
	f := m.lock
	if f == nil {
		f = m.t.file
	}
	ok, err = mapping.TryLockByte(f, m.t.byteOf(n))
	if err != nil && m.list {
		m.lock = nil
		m.t.CloseLock()
		return func() {}, true, nil
	}
	if err != nil || !ok {
		return func() {}, false, err
	}
	return func() { m.unlockByte(f, n) }, true, nil
}

// unlockByte returns no error, because a caller could not act on it: the lock ends with the
// descriptor.
func (m *Member) unlockByte(f *os.File, n int) { _ = mapping.UnlockByte(f, m.t.byteOf(n)) }
