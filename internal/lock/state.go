package lock

import "github.com/shmkit/shmkit/internal/proctab"

// The bits of a lock's word; see the state table in the package's documentation.
const (
	handed  = 1 << 31 // given to the owner, who has not taken it yet
	suspect = 1 << 30 // an owner died, and what the lock guards has not been repaired since
)

func ownerOf(w uint32) uint32 { return w & proctab.OwnerMask }

// isHandedTo reports whether the lock waits for p to take it.
func isHandedTo(w, p uint32) bool { return w&handed != 0 && ownerOf(w) == p }

// isHeldBy reports whether p holds the lock, rather than only having been handed it.
func isHeldBy(w, p uint32) bool { return w&handed == 0 && ownerOf(w) == p }
