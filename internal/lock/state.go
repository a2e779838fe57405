package lock

import "github.com/shmkit/shmkit/internal/proctab"

// The bits of a lock's word; see the state table in the package's documentation.
const (
	waiters       = 1 << 31
	handed        = 1 << 30
	unrecoverable = proctab.OwnerMask

	// The bits of the state word.
	inconsistent = 1 << 0 // a holder died and nobody has marked the lock consistent since
)

func ownerOf(w uint32) uint32 { return w & proctab.OwnerMask }

func isFree(w uint32) bool          { return w&(handed|proctab.OwnerMask) == 0 }
func isUnrecoverable(w uint32) bool { return ownerOf(w) == unrecoverable }

// isHandedTo reports whether the lock waits for p to take it.
func isHandedTo(w, p uint32) bool { return w&handed != 0 && ownerOf(w) == p }

// isHeldBy reports whether p holds the lock, rather than only having been handed it.
func isHeldBy(w, p uint32) bool { return w&handed == 0 && ownerOf(w) == p }
