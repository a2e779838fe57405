package ring

import (
	"fmt"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// TakeRole makes this process the owner of a role that only one process can
// have. As is what it waits as.
//
// Errors: [ErrRoleTaken], with the living process that has the role.
//
// What a death leaves behind: a dead process in the role, which the next process takes over.
func (v *View) TakeRole(role *atomic.Uint32, name string, as lock.Role) error {
	for {
		have := role.Load()
		owner := proctab.Owner(have & proctab.OwnerMask)
		switch {
		case have == uint32(v.Me):
			return nil
		case have != 0 && !v.Table.Dead(owner):
			process, _ := v.Table.Info(owner)
			return fmt.Errorf("%w: %v is the %s", ErrRoleTaken, process, name)
		}
		// SYNC: role: what the dead process wrote is visible, and it writes no more; see proctab.
		if role.CompareAndSwap(have, uint32(v.Me)) {
			crashpoint.Here("role.taken")
			if have != 0 && !v.Table.HasLeft(owner) {
				v.GaveUp(owner, as)
			}
			return nil
		}
	}
}
