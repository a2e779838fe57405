package tasktable

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/lock"
)

// unfreed are blocks that could not be freed, because a process was stopped in the directory of the
// segment. They are freed later: each free and each search for room tries again.
type unfreed struct {
	any atomic.Bool // the list is not empty

	mu     sync.Mutex
	blocks []givenBlock
}

// A givenBlock is a block of the parent with the mark with which it was given, 0: it was not.
type givenBlock struct {
	off  uint64
	mark uint32
}

// FreeBlock frees a block of the parent, or has that done later.
func (t *Table) FreeBlock(off uint64, mark uint32) {
	u := &t.unfreed
	if u.any.Load() {
		u.add(givenBlock{off, mark})
		t.FreeUnfreed()
		return
	}
	if err := t.Mem.FreeGiven(off, mark); errors.Is(err, lock.ErrLocked) {
		u.add(givenBlock{off, mark})
	}
}

func (u *unfreed) add(b givenBlock) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.blocks = append(u.blocks, b)
	u.any.Store(true)
}

// FreeUnfreed frees what could not be freed before, unless the directory is still locked.
func (t *Table) FreeUnfreed() {
	u := &t.unfreed
	if !u.any.Load() || !u.mu.TryLock() {
		return
	}
	defer u.mu.Unlock()
	for len(u.blocks) > 0 {
		last := u.blocks[len(u.blocks)-1]
		if err := t.Mem.FreeGiven(last.off, last.mark); errors.Is(err, lock.ErrLocked) {
			return
		}
		u.blocks = u.blocks[:len(u.blocks)-1]
	}
	u.any.Store(false)
}
