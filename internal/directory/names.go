package directory

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
//	unnamed  an object that never had a name   last user gone -> removed -> free, see package segment
const (
	StateFree    = 0
	StateLive    = 1
	StateRemoved = 2
	StateUnnamed = 3
	StateMask    = 3
	SerialShift  = 2
)

// MaxNameBytes bounds the names of objects.
const MaxNameBytes = 255

// HashOf is the hash that places a name: FNV-1a, 32 bits.
func HashOf(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}

// UsedEntries is how many entries have been used, as far as that can be true: what
// lies beyond was never reserved, so that touching it could fail.
func (d *Directory) UsedEntries() uint32 {
	h := HeaderIn(d.mem)
	room := h.EntriesReal.Load() / uint64(d.geo.EntryBytes)
	return uint32(min(uint64(h.Used.Load()), uint64(d.geo.MaxObjects), room))
}

// Search walks the chain that the name belongs to. The state is 0 when it is not there.
func (d *Directory) Search(name string) (uint32, uint64, error) {
	hash := HashOf(name)
	room := HeaderIn(d.mem).EntriesReal.Load()
	next := d.Bucket(hash & (d.geo.MaxObjects - 1)).Load()
	for steps := uint32(0); next != 0; steps++ {
		if next > d.geo.MaxObjects || steps > d.geo.MaxObjects || uint64(next)*uint64(d.geo.EntryBytes) > room {
			return 0, 0, d.Corrupt("a chain of the directory leads nowhere")
		}
		e := d.Entry(next - 1)
		state := e.State.Load()
		if state&StateMask == StateLive && e.Hash == hash && d.nameIs(e, name) && e.State.Load() == state {
			return next - 1, state, nil
		}
		next = e.Next.Load()
	}
	return 0, 0, nil
}

// Scan looks for a name in all entries, whose states are the truth: an object that was there all
// the time is found, whatever a process has left of the chains, or is doing with them. It needs no
// lock. The state is 0 when the name is not there.
func (d *Directory) Scan(name string) (i uint32, state uint64) {
	hash := HashOf(name)
	for i := range d.UsedEntries() {
		e := d.Entry(i)
		state := e.State.Load()
		if state&StateMask == StateLive && e.Hash == hash && d.nameIs(e, name) && e.State.Load() == state {
			return i, state
		}
	}
	return 0, 0
}

func (d *Directory) nameIs(e *Entry, name string) bool {
	off, n := e.Block+BlockHeaderBytes, uint64(e.NameBytes)
	if top := d.top(); n != uint64(len(name)) || off < d.geo.Heap || off > top || n > top-off {
		return false
	}
	return string(d.mem[off:off+n]) == name
}

// withOddSequence runs f, which takes chains apart, under the lock. Calls must not be nested.
func (d *Directory) withOddSequence(f func() error) error {
	h := HeaderIn(d.mem)
	odd := h.Changes.Load() | 1
	h.Changes.Store(odd)
	crashpoint.Here("directory.disturbed")
	err := f()
	h.Changes.Store(odd + 1)
	return err
}

// takeEntry finds a free entry, under the lock. Nothing leads to it yet.
func (d *Directory) takeEntry() (uint32, error) {
	h := HeaderIn(d.mem)
	if i := h.FreeEntry; i != 0 {
		if i > d.UsedEntries() || d.Entry(i-1).State.Load()&StateMask != StateFree {
			return 0, d.Corrupt("the free list of the directory is damaged")
		}
		h.FreeEntry = d.Entry(i - 1).Next.Load()
		return i - 1, nil
	}
	i := h.Used.Load()
	if i >= d.geo.MaxObjects {
		return 0, fmt.Errorf("%s: %w: the segment has room for %d: remove some, or make it with room for more", d.path, ErrTooManyObjects, d.geo.MaxObjects)
	}
	if err := d.reserveEntries(uint64(i+1) * uint64(d.geo.EntryBytes)); err != nil {
		return 0, err
	}
	if d.Entry(i).State.Load() != 0 {
		return 0, d.Corrupt("a new entry of the directory is not empty")
	}
	h.Used.Store(i + 1)
	crashpoint.Here("directory.used")
	return i, nil
}

// reserveEntries has the file system allocate the first n bytes of the entries region.
func (d *Directory) reserveEntries(n uint64) error {
	const ahead = 64 << 10
	h := HeaderIn(d.mem)
	all := d.geo.Heap - d.geo.Entries
	have := min(h.EntriesReal.Load(), all)
	if n <= have {
		return nil
	}
	more := min(RoundUp(n, ahead), all)
	if err := mapping.Reserve(d.file, int64(d.geo.Entries+have), int64(more-have)); err != nil {
		return NameInNoSpace(err, d.path)
	}
	crashpoint.Here("directory.reserved")
	h.EntriesReal.Store(more)
	return nil
}

// publish gives a complete entry a serial number and a state, under the lock, and returns both as
// the entry's state word has them.
func (d *Directory) publish(i uint32, state uint64) uint64 {
	h := HeaderIn(d.mem)
	e := d.Entry(i)
	h.Serial++
	serial := h.Serial
	crashpoint.Here("directory.serial")
	// From here on the object exists: a rebuild puts it where it belongs.
	e.State.Store(serial<<SerialShift | state)
	crashpoint.Here("directory.live")
	return serial<<SerialShift | state
}

// chain puts an entry first in its chain.
func (d *Directory) chain(i uint32) {
	e := d.Entry(i)
	b := d.Bucket(e.Hash & (d.geo.MaxObjects - 1))
	e.Next.Store(b.Load())
	crashpoint.Here("directory.chaining")
	// SYNC: directory: a lookup that gets here sees the whole object.
	b.Store(i + 1)
	crashpoint.Here("directory.chained")
}

// unchain takes an entry out of its chain, under the lock. Its own link stays, for
// lookups that stand on it.
func (d *Directory) unchain(i, hash uint32) error {
	e := d.Entry(i)
	link := d.Bucket(hash & (d.geo.MaxObjects - 1))
	for steps := uint32(0); ; steps++ {
		next := link.Load()
		if next == 0 || next > d.geo.MaxObjects || steps > d.geo.MaxObjects {
			return d.Corrupt("an object is not in its chain")
		}
		if next == i+1 {
			link.Store(e.Next.Load())
			crashpoint.Here("directory.unchained")
			return nil
		}
		link = &d.Entry(next - 1).Next
	}
}

// freeEntryAt puts an entry first in the free list.
func (d *Directory) freeEntryAt(i uint32) {
	h := HeaderIn(d.mem)
	e := d.Entry(i)
	d.clearUsers(i)
	crashpoint.Here("directory.cleared")
	e.Next.Store(h.FreeEntry)
	crashpoint.Here("directory.listing")
	e.State.Store(e.State.Load() &^ StateMask)
	crashpoint.Here("directory.entryfree")
	h.FreeEntry = i + 1
}
