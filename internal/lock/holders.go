package lock

import "github.com/shmkit/shmkit/internal/proctab"

// Who holds what an object gives out, read from its bytes by a process that need not have it open. The bytes may be
// garbage, and of any length; so may be the owners that are read from them, who may also be dead.

// HolderIn is who holds the lock in mem; 0 when nobody does, or it has been given to somebody who has not taken it yet.
func HolderIn(mem []byte) proctab.Owner {
	if len(mem) < RegionBytes {
		return 0
	}
	w := regionIn(mem).word.Load()
	if w&handed != 0 {
		return 0
	}
	return proctab.Owner(ownerOf(w))
}

// ReadersIn are those with readers inside the [RWMutex] in mem.
func ReadersIn(mem []byte) []proctab.Owner {
	if len(mem) < rwHeadBytes {
		return nil
	}
	return seatedIn(mem[rwHeadBytes:], rwHeadIn(mem).high.Load(), hasReaders)
}

// UnitsIn are those that hold units of the [Semaphore] in mem; nobody when units belong to no process.
func UnitsIn(mem []byte) []proctab.Owner {
	if len(mem) < SemaphoreBytes || semaphoreIn(mem).undo == 0 {
		return nil
	}
	return tallied(mem[SemaphoreBytes:])
}

// PartiesIn are the parties of the [Barrier] in mem.
func PartiesIn(mem []byte) []proctab.Owner {
	if len(mem) < barrierHeadBytes {
		return nil
	}
	return seatedIn(mem[barrierHeadBytes:], barrierIn(mem).high.Load(), func(uint64) bool { return true })
}

// DebtorsIn are those that have not done what they added to the [WaitGroup] in mem; nobody when that belongs to no process.
func DebtorsIn(mem []byte) []proctab.Owner {
	if len(mem) < WaitGroupBytes || waitGroupIn(mem).undo == 0 {
		return nil
	}
	return tallied(mem[WaitGroupBytes:])
}

// tallied are those that have units in the tally in mem.
func tallied(mem []byte) []proctab.Owner {
	if len(mem) < tallyBytes {
		return nil
	}
	return seatedIn(mem[tallyBytes:], tallyIn(mem).high.Load(), func(w uint64) bool { return w&seatMask != 0 })
}

// seatedIn are the owners of those of the first high seats in mem that have what is asked for.
func seatedIn(mem []byte, high uint32, has func(seat uint64) bool) (owners []proctab.Owner) {
	lines := len(mem) / lineBytes
	seats := seatsIn(mem[:lines*lineBytes])
	for n := range min(high, uint32(len(seats))) {
		w := seats[int(n)%lines*seatsPerLine+int(n)/lines].Load()
		if o := ownerOfSeat(w); o != 0 && has(w) {
			owners = append(owners, o)
		}
	}
	return owners
}
