package directory

// A part is a block that belongs to an object besides the object's own block. An object that grows
// allocates a block, which is the process's, and adopts it. The parts of a removed object are freed
// together with it.
//
// The tag of a part:
//
//	bits  0..31  1 + the object's entry
//	bit      32  0: no owner id, see OwnerTag
//	bits 33..44  the number that the object has given the part
//	bits 45..62  the low bits of the object's serial number
//	bit      63  1
//
// After 2^18 objects at one entry the tags repeat: a part that a death has made unreachable then
// stays until the new object is removed. It is never freed twice.
const (
	partTag         = 1 << 63
	partNumberShift = 33
	partSerialShift = 45
	partSerialMask  = 1<<18 - 1

	// MaxPart is the largest number of a part.
	MaxPart = 1<<12 - 1
)

// PartTag is the tag of parts with a number of the object at an entry.
func PartTag(entry uint32, serial uint64, number uint32) uint64 {
	return partTag | serial&partSerialMask<<partSerialShift |
		uint64(number&MaxPart)<<partNumberShift | uint64(entry) + 1
}

// WithoutNumber is the tag that all parts of an object have but for their numbers.
func WithoutNumber(tag uint64) uint64 { return tag &^ (MaxPart << partNumberShift) }

func isPart(tag uint64) bool { return tag&(partTag|ownerTag) == partTag }

// partClaimed reports whether the object exists that a tag of a part names. An object that is being
// freed has lost its own block first: from then on its parts belong to nothing.
func (d *Directory) partClaimed(tag uint64) bool {
	i := uint32(tag)
	if i == 0 || i > d.UsedEntries() {
		return false
	}
	e := d.Entry(i - 1)
	state := e.State.Load()
	return state&StateMask != StateFree && d.owns(i-1, e.Block) &&
		state>>SerialShift&partSerialMask == tag>>partSerialShift&partSerialMask
}
