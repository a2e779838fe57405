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
//	removed  no name, but somebody has it open  last user gone -> free
const (
	stateFree    = 0
	stateLive    = 1
	stateRemoved = 2
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

// find returns the entry of the object with this name, and its state word. It
// takes no lock unless the directory is being taken apart.
func (s *Segment) find(name string) (i uint32, state uint64, err error) {
	h := headerIn(s.mem)
	for range 1000 {
		changes := h.changes.Load()
		i, state, err = s.search(name, hashOf(name))
		if state != 0 {
			return i, state, nil
		}
		if h.changes.Load() == changes && changes%2 == 0 {
			break
		}
		err = s.locked(func() (err error) {
			i, state, err = s.search(name, hashOf(name))
			return err
		})
		break
	}
	if err == nil && state == 0 {
		err = s.notFound(name)
	}
	return i, state, err
}

// search walks the chain that the name belongs to. The state is 0 when it is not there.
func (s *Segment) search(name string, hash uint32) (uint32, uint64, error) {
	next := s.bucket(hash & (s.geo.maxObjects - 1)).Load()
	for steps := uint32(0); next != 0; steps++ {
		if next > s.geo.maxObjects || steps > s.geo.maxObjects {
			return 0, 0, s.corrupt("a chain of the directory leads nowhere")
		}
		e := s.entry(next - 1)
		state := e.state.Load()
		if state&stateMask == stateLive && e.hash == hash && s.nameIs(e, name) && e.state.Load() == state {
			return next - 1, state, nil
		}
		next = e.next.Load()
	}
	return 0, 0, nil
}

func (s *Segment) nameIs(e *entry, name string) bool {
	off, n := e.block+blockHeaderBytes, uint64(e.nameBytes)
	if n != uint64(len(name)) || off < s.geo.heap || off > s.geo.size-n {
		return false
	}
	return string(s.mem[off:off+n]) == name
}

// takeEntry finds a free entry, under the lock. Nothing leads to it yet.
func (s *Segment) takeEntry() (uint32, error) {
	h := headerIn(s.mem)
	if i := h.freeEntry; i != 0 {
		if i > s.geo.maxObjects || s.entry(i-1).state.Load()&stateMask != stateFree {
			return 0, s.corrupt("the free list of the directory is damaged")
		}
		h.freeEntry = s.entry(i - 1).next.Load()
		return i - 1, nil
	}
	i := h.used.Load()
	if i >= s.geo.maxObjects {
		return 0, fmt.Errorf("%s: %w: it has room for %d: make it with room for more", s.path, ErrTooManyObjects, s.geo.maxObjects)
	}
	end := uint64(i+1) * uint64(s.geo.entryBytes)
	if end > h.entriesReal {
		more := min(roundUp(end, 64<<10), s.geo.heap-s.geo.entries)
		if err := mapping.Reserve(s.file, int64(s.geo.entries), int64(more)); err != nil {
			return 0, nameInNoSpace(err, s.path)
		}
		h.entriesReal = more
	}
	h.used.Store(i + 1)
	crashpoint.Here("directory.used")
	return i, nil
}

// publish makes a complete entry visible under its name, under the lock.
func (s *Segment) publish(i uint32) {
	h := headerIn(s.mem)
	e := s.entry(i)
	h.serial++
	crashpoint.Here("directory.serial")
	// From here on the object exists: whoever recovers the segment puts it into its chain.
	e.state.Store(h.serial<<serialShift | stateLive)
	crashpoint.Here("directory.live")
	s.chain(i)
	h.live.Add(1)
}

// chain puts an entry first in its chain.
func (s *Segment) chain(i uint32) {
	e := s.entry(i)
	b := s.bucket(e.hash & (s.geo.maxObjects - 1))
	e.next.Store(b.Load())
	crashpoint.Here("directory.chaining")
	// SYNC: directory: a lookup that gets here sees the whole object.
	b.Store(i + 1)
	crashpoint.Here("directory.chained")
}

// unchain takes an entry out of its chain, under the lock. Its own link stays, for
// lookups that stand on it.
func (s *Segment) unchain(i uint32) error {
	e := s.entry(i)
	link := s.bucket(e.hash & (s.geo.maxObjects - 1))
	for steps := uint32(0); ; steps++ {
		next := link.Load()
		if next == 0 || next > s.geo.maxObjects || steps > s.geo.maxObjects {
			return s.corrupt("an object is not in its chain")
		}
		if next == i+1 {
			link.Store(e.next.Load())
			crashpoint.Here("directory.unchained")
			return nil
		}
		link = &s.entry(next - 1).next
	}
}

// recycle puts a removed entry that nobody uses, and its block, up for reuse, under the lock.
func (s *Segment) recycle(i uint32) error {
	h := headerIn(s.mem)
	h.changes.Add(1) // odd: who stands on this entry may be led astray
	defer h.changes.Add(1)
	if err := s.free(s.entry(i).block, uint64(i)+1); err != nil {
		return err
	}
	crashpoint.Here("directory.blockfreed")
	s.freeEntryAt(i)
	crashpoint.Here("directory.entryfree")
	return nil
}
