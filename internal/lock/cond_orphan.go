package lock

import (
	"errors"
	"runtime"
)

// An Orphan can tell that it is a lock without a living holder that is not free either. While a holder lives, it
// notifies the waiters for what it does; after its death no process may.
type Orphan interface{ Orphaned() bool }

// errOrphaned says that the wait is over because of the death of who held the lock.
var errOrphaned = errors.New("the holder of the lock has died")

// Orphaned reports whether the lock waits for repair: #4 or #6.
func (m *Mutex) Orphaned() bool {
	defer runtime.KeepAlive(m)
	w := m.r.word.Load()
	switch {
	case w&handed != 0:
		return false
	case ownerOf(w) == 0:
		return w&suspect != 0
	}
	return m.gone(ownerOf(w))
}

// Orphaned reports whether the process that has the write lock, or is about to have it, is dead, or
// the lock waits for repair.
func (l *RWMutex) Orphaned() bool {
	defer runtime.KeepAlive(l)
	return l.writers.Orphaned()
}
