package lock

import (
	"errors"
	"runtime"
)

// An Orphan can tell that it is a lock without a living holder that is not free either. While a holder lives, it
// notifies those who wait for what it does; when it has died, nobody may.
type Orphan interface{ Orphaned() bool }

// errOrphaned says that the wait is over because of the death of who held the lock.
var errOrphaned = errors.New("the holder of the lock has died")

// Orphaned reports whether the process that holds the lock is dead, or the lock is unrecoverable.
func (m *Mutex) Orphaned() bool {
	defer runtime.KeepAlive(m)
	w := m.r.word.Load()
	return isUnrecoverable(w) || w&handed == 0 && ownerOf(w) != 0 && m.gone(ownerOf(w))
}

// Orphaned reports whether the process that has the write lock, or is about to have it, is dead, or the lock is unrecoverable.
func (l *RWMutex) Orphaned() bool {
	defer runtime.KeepAlive(l)
	return l.writers.Orphaned()
}
