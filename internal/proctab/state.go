package proctab

// The halves of a slot's word; see the state table in the package's documentation.
const (
	tidMask      = 0x3fffffff // FUTEX_TID_MASK
	waitersBit   = 0x80000000 // FUTEX_WAITERS: somebody may sleep on the word
	byteLocked   = 1 << 63    // the owner's life shows in a byte lock, not in the liveness
	epochShift   = 32
	livenessMask = 1<<32 - 1
)

// alive reports whether the word belongs to a process that the kernel has not
// marked as dead. A byteLocked one may be dead all the same.
func alive(w uint64) bool { return w&tidMask != 0 }

func epochOf(w uint64) uint32 { return uint32(w>>epochShift) & epochMask }

// claimed is the word of a slot after w, owned by the process with this keeper thread.
func claimed(w uint64, tid uint32, locked bool) uint64 {
	n := uint64(nextEpoch(epochOf(w)))<<epochShift | waitersBit | uint64(tid&tidMask)
	if locked {
		n |= byteLocked
	}
	return n
}

// freed is the word of the slot after its owner left.
func freed(w uint64) uint64 { return uint64(epochOf(w)) << epochShift }
