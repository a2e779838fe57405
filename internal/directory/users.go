package directory

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// A UserBit is where a process shows that it has an object open.
type UserBit struct {
	word *atomic.Uint64 // in the segment
	bit  uint64
}

// UserBit is the bit of the process in a slot for the object at entry i.
func (d *Directory) UserBit(i uint32, slot int) UserBit {
	return UserBit{d.userWord(i, slot), 1 << (slot % 64)}
}

// Set says that the process has the object open.
func (b UserBit) Set() { b.word.Or(b.bit) }

// Clear says that it has not.
func (b UserBit) Clear() { b.word.And(^b.bit) }

// IsSet reports whether the process has the object open.
func (b UserBit) IsSet() bool { return b.word.Load()&b.bit != 0 }

func (d *Directory) clearUsers(i uint32) {
	for slot := 0; slot < int(d.geo.Slots); slot += 64 {
		d.userWord(i, slot).Store(0)
	}
}

// Used reports whether a living process has the object open. When it reports false,
// no thread of a process that had it open and died touches its memory any more.
func (d *Directory) Used(i uint32) bool {
	for slot := 0; slot < int(d.geo.Slots); slot += 64 {
		bits := d.userWord(i, slot).Load()
		for n := slot; bits != 0 && n < int(d.geo.Slots); n++ {
			if bits&1 != 0 && !d.table.Gone(n) {
				return true
			}
			bits >>= 1
		}
	}
	return false
}

// Forget clears the bits that a dead process has left in a slot.
func (d *Directory) Forget(slot int) {
	for i := range d.UsedEntries() {
		if b := d.UserBit(i, slot); b.IsSet() {
			b.Clear()
			crashpoint.Here("users.forgotten")
		}
	}
}
