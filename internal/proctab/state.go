package proctab

// The halves of a slot's word; see the state table in the package's documentation.
const (
	tidMask      = 0x3fffffff // FUTEX_TID_MASK
	ownerDied    = 0x40000000 // FUTEX_OWNER_DIED: set by the kernel, which clears the thread id
	waitersBit   = 0x80000000 // FUTEX_WAITERS: a thread may sleep on the word
	livenessMask = 1<<32 - 1
	epochShift   = 32
	noted        = 1 << 60 // the death of the owner was counted, see noteDeath
	locked       = 1 << 61 // the owner lives by the list, and has its byte locked, too
	unordered    = 1 << 62 // membarriers do not reach the owner's threads (yet)
	byteLocked   = 1 << 63 // the owner's life shows in a byte lock, not in the liveness
)

// alive reports whether the word belongs to a process that the kernel has not
// marked as dead. A process with a byteLocked word may be dead all the same. A word that no claim
// writes is not alive.
func alive(w uint64) bool {
	e := epochOf(w)
	return w&tidMask != 0 && w&ownerDied == 0 && e != 0 && e != epochMask
}

func epochOf(w uint64) uint32 { return uint32(w>>epochShift) & epochMask }

// claimed is the word of a slot after w, owned by the process with this keeper thread.
func claimed(w uint64, tid uint32) uint64 {
	return freed(nextEpoch(epochOf(w))) | waitersBit | uint64(tid&tidMask)
}

// freed is the word of a slot after its owner of this epoch has left.
func freed(epoch uint32) uint64 { return uint64(epoch) << epochShift }
