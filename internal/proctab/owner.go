package proctab

// An Owner names one attachment of one process: bits 0..9 the slot, bits 10..29
// the epoch of the slot. 0 means no owner. A process that attaches twice has two.
type Owner uint32

const (
	slotBits  = 10
	epochBits = 20

	// OwnerBits is the width of an Owner.
	OwnerBits = slotBits + epochBits
	// OwnerMask covers the bits of an Owner in a larger word.
	OwnerMask = 1<<OwnerBits - 1
	// MaxSlots is how many processes a table can hold at most.
	MaxSlots = 1 << slotBits

	epochMask = 1<<epochBits - 1
)

func ownerOf(slot int, epoch uint32) Owner {
	return Owner(epoch&epochMask)<<slotBits | Owner(slot)
}

// Slot is the number of the owner's slot, from 0.
func (o Owner) Slot() int { return int(o & (MaxSlots - 1)) }

func (o Owner) epoch() uint32 { return uint32(o >> slotBits & epochMask) }

// nextEpoch follows e. It never is 0, so that no Owner is 0, nor all ones, which
// locks use as a mark. It comes round after a million attachments to one slot: an
// id that has been forgotten in a lock for so long could be taken for a living one.
func nextEpoch(e uint32) uint32 {
	e = (e + 1) & epochMask
	if e == 0 || e == epochMask {
		return 1
	}
	return e
}
