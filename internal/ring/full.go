package ring

import (
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// WhenFull is what a put does that finds no room; see the type of that name in package queue.
type WhenFull int

// The policies, in the order of package queue.
const (
	WaitForRoom WhenFull = iota
	DropNewest
	DropOldest
)

// heldLook is how often a put that waits to drop the oldest message looks for one.
const heldLook = 2 * time.Millisecond

// Watch ends the sleep of a waiter when the process dies that has to finish first. A put that waits
// to drop the oldest message also looks from time to time: a producer that completes that message
// tells only consumers.
func (f WhenFull) Watch(l *lock.Watch, held proctab.Owner) {
	l.Process(held)
	if f == DropOldest {
		l.Look(heldLook)
	}
}
