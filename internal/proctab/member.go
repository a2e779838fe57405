package proctab

import (
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mapping"
)

// A Member is this process's place in a table, from Attach to Detach.
type Member struct {
	t      *Table
	n      int // slot; immutable
	id     Owner
	locked bool // lives by a byte lock; immutable
	once   sync.Once
}

// ID is the owner id of this attachment.
func (m *Member) ID() Owner { return m.id }

// Table is the table that m belongs to.
func (m *Member) Table() *Table { return m.t }

// Attach takes a slot for this process: of those that are free or whose process
// is dead the least used one, so that the dead can be named for as long as possible.
// A Table can be attached to once. It reports crashed when the slot's last
// process died without detaching, so that its traces may have to be removed.
//
// Errors: [ErrTooManyProcesses].
func (t *Table) Attach() (m *Member, crashed bool, err error) {
	k := theKeeper()
	for {
		n, w := t.leastUsed()
		if n < 0 {
			return nil, false, ErrTooManyProcesses
		}
		m := &Member{t: t, n: n, locked: !k.robust}
		ok, err := m.claim(k, w)
		if err != nil {
			return nil, false, err
		}
		if ok {
			m.introduce()
			if crashed = w&livenessMask != 0; crashed {
				t.fence(n, ownerOf(n, epochOf(w))) // before the caller removes what that process left
			}
			return m, crashed, nil
		}
	}
}

// leastUsed returns the number and word of the slot to claim next, or -1.
func (t *Table) leastUsed() (best int, word uint64) {
	best = -1
	for n := range t.slots {
		w := t.slots[n].word.Load()
		if alive(w) && !t.lockGone(n, w) {
			continue
		}
		if best < 0 || epochOf(w) < epochOf(word) {
			best, word = n, w
		}
	}
	return best, word
}

// claim reports whether the slot, which held w, is now this process's.
func (m *Member) claim(k *keeper, w uint64) (bool, error) {
	s := &m.t.slots[m.n]
	m.id = ownerOf(m.n, nextEpoch(epochOf(w)))
	if !m.locked {
		ok := k.claim(s, w)
		if ok {
			m.t.own.Store(int32(m.n + 1))
		}
		return ok, nil
	}
	// The lock comes first: a claimed slot without one looks dead.
	ok, err := mapping.TryLockByte(m.t.file, m.t.byteOf(m.n))
	if err != nil || !ok {
		return false, err
	}
	if !s.word.CompareAndSwap(w, claimed(w, k.tid, true)) {
		return false, mapping.UnlockByte(m.t.file, m.t.byteOf(m.n))
	}
	m.t.own.Store(int32(m.n + 1))
	return true, nil
}

// introduce writes down, for people, who this is.
func (m *Member) introduce() {
	s := &m.t.slots[m.n]
	atomic.StoreUint32(&s.pid, uint32(os.Getpid()))
	atomic.StoreInt64(&s.started, time.Now().UnixNano())
	var name [programBytes]byte
	copy(name[:programBytes-1], filepath.Base(os.Args[0]))
	s.program = name
}

// Detach gives the slot back and wakes whoever waits for this process. What it
// still owns counts as a dead process's. It may be called again.
func (m *Member) Detach() {
	m.once.Do(func() {
		s := &m.t.slots[m.n]
		free := uint64(m.id.epoch()) << epochShift
		if m.locked {
			s.word.Store(free)
			m.t.own.Store(0)
			mapping.UnlockByte(m.t.file, m.t.byteOf(m.n)) // the descriptor is about to be closed anyway
		} else {
			theKeeper().release(s, free)
			m.t.own.Store(0)
		}
		futex.Wake(s.liveness(), math.MaxInt32)
	})
}
