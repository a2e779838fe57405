package segment

// partTagOf is the tag of parts with a number of the object at that place.
func partTagOf(p place, number uint32) uint64 {
	return partTag | p.serial&partSerialMask<<partSerialShift |
		uint64(number&MaxPart)<<partNumberShift | uint64(p.index) + 1
}

func isPart(tag uint64) bool { return tag&(partTag|ownerTag) == partTag }

// partClaimed reports whether the object exists that a tag of a part names. An object that is being
// freed has lost its own block first: from then on its parts belong to nothing.
func (d *directory) partClaimed(tag uint64) bool {
	i := uint32(tag)
	if i == 0 || i > d.usedEntries() {
		return false
	}
	e := d.entry(i - 1)
	state := e.state.Load()
	return state&stateMask != stateFree && d.owns(i-1, e.block) &&
		state>>serialShift&partSerialMask == tag>>partSerialShift&partSerialMask
}

// eachBlock walks the heap under the lock until f reports false.
func (d *directory) eachBlock(f func(off, word uint64) bool) error {
	top, err := d.checkedTop()
	if err != nil {
		return err
	}
	for off := d.geo.heap; off < top; {
		w := d.block(off).word.Load()
		size := w & sizeMask
		if size < lineBytes || size > top-off {
			return d.corrupt("a block of the heap has an impossible size")
		}
		if !f(off, w) {
			break
		}
		off += size
	}
	return nil
}
