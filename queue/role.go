package queue

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// ErrRoleTaken says that a living process has a role that only one process can have: that of the producer, or the
// consumer, of an [SPSC], or the writer of a [Broadcast].
var ErrRoleTaken = errors.New("queue: the role is taken")

// takeRole makes this process the one whose id is in the role's word.
//
// What a death leaves behind: a dead process in the role, which the next one takes over.
func takeRole(role *atomic.Uint32, me proctab.Owner, table *proctab.Table, name string) error {
	for {
		have := role.Load()
		owner := proctab.Owner(have & proctab.OwnerMask)
		switch {
		case have == uint32(me):
			return nil
		case have != 0 && !table.Dead(owner):
			who, _ := table.Info(owner)
			return fmt.Errorf("%w: %v is the %s", ErrRoleTaken, who, name)
		}
		// SYNC: role: what the dead one wrote is visible, and it writes no more; see proctab.
		if role.CompareAndSwap(have, uint32(me)) {
			crashpoint.Here("role.taken")
			return nil
		}
	}
}
