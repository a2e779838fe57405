package segment

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

func (d *directory) userBit(i uint32, slot int) (word *atomic.Uint64, bit uint64) {
	return d.userWord(i, slot), 1 << (slot % 64)
}

// A userBit is where a process shows that it has an object open.
type userBit struct {
	word *atomic.Uint64 // in the segment
	bit  uint64
}

func (d *directory) clearUsers(i uint32) {
	for slot := 0; slot < int(d.geo.slots); slot += 64 {
		d.userWord(i, slot).Store(0)
	}
}

// used reports whether a living process has the object open. When it reports false,
// no thread of a process that had it open and died touches its memory any more.
func (d *directory) used(i uint32) bool {
	for slot := 0; slot < int(d.geo.slots); slot += 64 {
		bits := d.userWord(i, slot).Load()
		for n := slot; bits != 0 && n < int(d.geo.slots); n++ {
			if bits&1 != 0 && !d.table.Gone(n) {
				return true
			}
			bits >>= 1
		}
	}
	return false
}

// forget clears the bits that a dead process left in the slot which is now this process's.
func (d *directory) forget(slot int) {
	for i := range d.usedEntries() {
		if word, bit := d.userBit(i, slot); word.Load()&bit != 0 {
			word.And(^bit)
			crashpoint.Here("users.forgotten")
		}
	}
}
