package segment

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mapping"
)

// The states of an entry, in bits 0..1 of its state word. The serial number above
// them is new for every object, so that an entry cannot be mistaken for its predecessor.
//
//	free     no object                         publish -> live
//	live     an object with a name             remove -> removed
//	removed  no name, but a process has it open last user gone -> free
//	unnamed  an object that never had a name   last user gone -> removed -> free, see unnamed.go
const (
	stateFree    = 0
	stateLive    = 1
	stateRemoved = 2
	stateUnnamed = 3
	stateMask    = 3
	serialShift  = 2
)

// maxNameBytes bounds the names of objects.
const maxNameBytes = 255

func hashOf(name string) uint32 { // FNV-1a, 32 bits
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}

// usedEntries is how many entries have been used, as far as that can be true: what
// lies beyond was never reserved, so that touching it could fail.
func (d *directory) usedEntries() uint32 {
	h := headerIn(d.mem)
	room := h.entriesReal.Load() / uint64(d.geo.entryBytes)
	return uint32(min(uint64(h.used.Load()), uint64(d.geo.maxObjects), room))
}

// search walks the chain that the name belongs to. The state is 0 when it is not there.
func (d *directory) search(name string) (uint32, uint64, error) {
	hash := hashOf(name)
	room := headerIn(d.mem).entriesReal.Load()
	next := d.bucket(hash & (d.geo.maxObjects - 1)).Load()
	for steps := uint32(0); next != 0; steps++ {
		if next > d.geo.maxObjects || steps > d.geo.maxObjects || uint64(next)*uint64(d.geo.entryBytes) > room {
			return 0, 0, d.corrupt("a chain of the directory leads nowhere")
		}
		e := d.entry(next - 1)
		state := e.state.Load()
		if state&stateMask == stateLive && e.hash == hash && d.nameIs(e, name) && e.state.Load() == state {
			return next - 1, state, nil
		}
		next = e.next.Load()
	}
	return 0, 0, nil
}

func (d *directory) nameIs(e *entry, name string) bool {
	off, n := e.block+blockHeaderBytes, uint64(e.nameBytes)
	if top := d.top(); n != uint64(len(name)) || off < d.geo.heap || off > top || n > top-off {
		return false
	}
	return string(d.mem[off:off+n]) == name
}

// withOddSequence runs f, which takes chains apart, under the lock. Calls must not be nested.
func (d *directory) withOddSequence(f func() error) error {
	h := headerIn(d.mem)
	odd := h.changes.Load() | 1
	h.changes.Store(odd)
	crashpoint.Here("directory.disturbed")
	err := f()
	h.changes.Store(odd + 1)
	return err
}

// takeEntry finds a free entry, under the lock. Nothing leads to it yet.
func (d *directory) takeEntry() (uint32, error) {
	h := headerIn(d.mem)
	if i := h.freeEntry; i != 0 {
		if i > d.usedEntries() || d.entry(i-1).state.Load()&stateMask != stateFree {
			return 0, d.corrupt("the free list of the directory is damaged")
		}
		h.freeEntry = d.entry(i - 1).next.Load()
		return i - 1, nil
	}
	i := h.used.Load()
	if i >= d.geo.maxObjects {
		return 0, fmt.Errorf("%s: %w: the segment has room for %d: remove some, or make it with room for more", d.path, ErrTooManyObjects, d.geo.maxObjects)
	}
	if err := d.reserveEntries(uint64(i+1) * uint64(d.geo.entryBytes)); err != nil {
		return 0, err
	}
	if d.entry(i).state.Load() != 0 {
		return 0, d.corrupt("a new entry of the directory is not empty")
	}
	h.used.Store(i + 1)
	crashpoint.Here("directory.used")
	return i, nil
}

// reserveEntries has the file system allocate the first n bytes of the entries region.
func (d *directory) reserveEntries(n uint64) error {
	const ahead = 64 << 10
	h := headerIn(d.mem)
	all := d.geo.heap - d.geo.entries
	have := min(h.entriesReal.Load(), all)
	if n <= have {
		return nil
	}
	more := min(roundUp(n, ahead), all)
	if err := mapping.Reserve(d.file, int64(d.geo.entries+have), int64(more-have)); err != nil {
		return nameInNoSpace(err, d.path)
	}
	crashpoint.Here("directory.reserved")
	h.entriesReal.Store(more)
	return nil
}

// publish gives a complete entry a serial number and a state, under the lock, and returns both as
// the entry's state word has them.
func (d *directory) publish(i uint32, state uint64) uint64 {
	h := headerIn(d.mem)
	e := d.entry(i)
	h.serial++
	serial := h.serial
	crashpoint.Here("directory.serial")
	// From here on the object exists: a rebuild puts it where it belongs.
	e.state.Store(serial<<serialShift | state)
	crashpoint.Here("directory.live")
	return serial<<serialShift | state
}

// chain puts an entry first in its chain.
func (d *directory) chain(i uint32) {
	e := d.entry(i)
	b := d.bucket(e.hash & (d.geo.maxObjects - 1))
	e.next.Store(b.Load())
	crashpoint.Here("directory.chaining")
	// SYNC: directory: a lookup that gets here sees the whole object.
	b.Store(i + 1)
	crashpoint.Here("directory.chained")
}

// unchain takes an entry out of its chain, under the lock. Its own link stays, for
// lookups that stand on it.
func (d *directory) unchain(i, hash uint32) error {
	e := d.entry(i)
	link := d.bucket(hash & (d.geo.maxObjects - 1))
	for steps := uint32(0); ; steps++ {
		next := link.Load()
		if next == 0 || next > d.geo.maxObjects || steps > d.geo.maxObjects {
			return d.corrupt("an object is not in its chain")
		}
		if next == i+1 {
			link.Store(e.next.Load())
			crashpoint.Here("directory.unchained")
			return nil
		}
		link = &d.entry(next - 1).next
	}
}

// freeEntryAt puts an entry first in the free list.
func (d *directory) freeEntryAt(i uint32) {
	h := headerIn(d.mem)
	e := d.entry(i)
	d.clearUsers(i)
	crashpoint.Here("directory.cleared")
	e.next.Store(h.freeEntry)
	crashpoint.Here("directory.listing")
	e.state.Store(e.state.Load() &^ stateMask)
	crashpoint.Here("directory.entryfree")
	h.freeEntry = i + 1
}
