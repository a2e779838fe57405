package lock

import (
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
)

// A State is what a lock's words say, read from a copy of them.
type State struct {
	Owner        proctab.Owner // the holder, or the process that it was handed to; 0: none
	Handed       bool          // the owner has not taken the lock yet
	Inconsistent bool          // what the lock guards was not repaired since a holder died
	LastDied     proctab.Owner // the last process that died holding it; 0: none
}

// LookAt reads a copy of a lock, which has [RegionBytes].
func LookAt(mem []byte) State {
	r := mutexRegionIn(mem)
	w := r.word.Load()
	return State{
		Owner: proctab.Owner(ownerOf(w)), Handed: w&handed != 0, Inconsistent: w&inconsistent != 0,
		LastDied: proctab.Owner(r.dead.Load() & proctab.OwnerMask),
	}
}

// WaitsIn reads a copy of a process's row of the table of waits: which process it is, its waits,
// and how many more found no room there.
func WaitsIn(row []byte) (owner proctab.Owner, waits []Wait, overflow int) {
	r := &rowsIn(row)[0]
	owner = proctab.Owner(r.owner.Load())
	if owner == 0 || owner&^proctab.OwnerMask != 0 {
		return 0, nil, 0
	}
	for i := range r.entries {
		if target := Target(r.entries[i].target.Load()); target != 0 {
			waits = append(waits, Wait{owner, target, time.Unix(0, r.entries[i].since.Load())})
		}
	}
	return owner, waits, int(r.overflow.Load())
}
