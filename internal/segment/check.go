package segment

import (
	"context"
	"fmt"
	"math"
	"runtime"
)

// A Report is what a walk through a segment found.
type Report struct {
	Objects  int   // live
	Unnamed  int   // objects that never had a name
	Retired  int   // removed, but still in use
	Parts    int   // blocks of objects besides the first of each
	Blocks   int   // blocks that belong to a living process
	Orphans  int   // blocks that belonged to a dead one, and are freed when space is needed
	UsedFor  int64 // bytes in blocks in use
	FreeIn   int64 // bytes in free blocks
	Reserved int64 // bytes of the heap that the file system has set aside
}

// Check walks the whole segment under its lock and compares everything that is
// derived with the truth. It first frees removed objects that no process uses any more.
//
// Errors: [ErrCorrupt] with the first thing that is wrong; a leaked byte, too. [lock.ErrClosed].
func (s *Segment) Check() (r Report, err error) { return s.CheckContext(context.Background()) }

// CheckContext is [Segment.Check] that waits for the directory until ctx ends.
func (s *Segment) CheckContext(ctx context.Context) (r Report, err error) {
	err = s.lockedUnder(ctx, func() error {
		if err := s.reclaimRetired(math.MaxUint32); err != nil {
			return err
		}
		if err := s.checkHeap(&r); err != nil {
			return err
		}
		return s.checkDirectory(&r)
	})
	runtime.KeepAlive(s)
	return r, err
}

// checkHeap follows the free lists and walks the blocks.
func (s *Segment) checkHeap(r *Report) error {
	h := headerIn(s.mem)
	r.Reserved = int64(min(h.heapReal.Load(), s.geo.size-s.geo.heap))
	top, err := s.checkedTop()
	if err != nil {
		return err
	}
	listed, err := s.listedBlocks()
	if err != nil {
		return err
	}
	before, wasFree := uint64(0), false
	for off := s.geo.heap; off < top; off += before {
		b := s.block(off)
		w := b.word.Load()
		size, used := w&sizeMask, w&inUse != 0
		switch {
		case size < lineBytes || size > top-off:
			return s.corrupt(fmt.Sprintf("block %#x has an impossible size", off))
		case b.before != before:
			return s.corrupt(fmt.Sprintf("block %#x does not know the one before it", off))
		case !used && !listed[off]:
			return s.corrupt(fmt.Sprintf("free block %#x is in no list", off))
		case !used && wasFree:
			return s.corrupt(fmt.Sprintf("free block %#x has a free neighbour", off))
		}
		if used {
			r.UsedFor += int64(size)
			err = s.checkOwner(off, size, r)
		} else {
			r.FreeIn += int64(size)
			delete(listed, off)
		}
		if err != nil {
			return err
		}
		before, wasFree = size, !used
	}
	if len(listed) > 0 || before != h.last || uint64(r.FreeIn) != h.freeBytes {
		return s.corrupt("what is noted about free blocks is not what is there")
	}
	return nil
}

// listedBlocks are the blocks in the free lists.
func (s *Segment) listedBlocks() (map[uint64]bool, error) {
	listed := map[uint64]bool{}
	for bin, off := range headerIn(s.mem).bins {
		prev := uint64(0)
		for ; off != 0; prev, off = off, s.block(off).next {
			size := s.freeSize(off)
			if size == 0 || listed[off] || binOf(size) != bin || s.block(off).prev != prev {
				return nil, s.corrupt(fmt.Sprintf("free list %d is damaged at %#x", bin, off))
			}
			listed[off] = true
		}
	}
	return listed, nil
}

// checkOwner reports a block in use that no process would ever free.
func (s *Segment) checkOwner(off, size uint64, r *Report) error {
	claimed := s.claimed(off)
	switch {
	case isPart(s.block(off).tag.Load()) && claimed:
		r.Parts++
	case s.block(off).tag.Load()&ownerTag == 0 && claimed: // an object's
	case claimed:
		r.Blocks++
	case s.block(off).tag.Load()&ownerTag != 0:
		r.Orphans++
	default:
		return s.corrupt(fmt.Sprintf("block %#x of %d bytes belongs to nobody: leaked", off, size))
	}
	return nil
}

func (s *Segment) checkDirectory(r *Report) error {
	h := headerIn(s.mem)
	used := s.usedEntries()
	if h.changes.Load()%2 != 0 {
		return s.corrupt("the directory is marked as being taken apart")
	}
	if used != h.used.Load() {
		return s.corrupt("more entries are in use than were reserved")
	}
	free, err := s.countFree(used)
	if err != nil {
		return err
	}
	retired, err := s.countRetired()
	if err != nil {
		return err
	}
	for i := range used {
		state := s.entry(i).state.Load()
		switch state & stateMask {
		case stateFree:
			free--
			continue
		case stateRemoved:
			r.Retired++
		case stateUnnamed:
			r.Unnamed++
		case stateLive:
			r.Objects++
			if err := s.checkFound(i, state); err != nil {
				return err
			}
		default:
			return s.corrupt(fmt.Sprintf("entry %d is in no state", i))
		}
		if !s.owns(i, s.entry(i).block) {
			return s.corrupt(fmt.Sprintf("entry %d has lost its block", i))
		}
	}
	if free != 0 || retired != r.Retired+r.Unnamed || int(h.live.Load()) != r.Objects || int(h.retired.Load()) != retired {
		return s.corrupt("the counts of the directory are wrong")
	}
	return nil
}

// countFree is the length of the free list of entries.
func (s *Segment) countFree(used uint32) (n int, err error) {
	for i := headerIn(s.mem).freeEntry; i != 0; i = s.entry(i - 1).next.Load() {
		if n++; i > used || n > int(used) || s.entry(i-1).state.Load()&stateMask != stateFree {
			return 0, s.corrupt("the free list of the directory is damaged")
		}
	}
	return n, nil
}

// countRetired is the length of the ring of retired objects.
func (s *Segment) countRetired() (n int, err error) {
	last := headerIn(s.mem).lastRetired
	if last == 0 {
		return 0, nil
	}
	for i := last; ; {
		if n++; i == 0 || i > s.usedEntries() || n > int(s.usedEntries()) || !inRing(s.entry(i-1).state.Load()) {
			return 0, s.corrupt("the ring of removed objects is damaged")
		}
		if i = s.entry(i - 1).nextRetired; i == last {
			return n, nil
		}
	}
}

// checkFound reports a live object that is not found by its name.
func (s *Segment) checkFound(i uint32, state uint64) error {
	o, err := s.view(i, state>>serialShift)
	if err != nil {
		return err
	}
	if at, found, err := s.search(o.Name); err != nil || at != i || found != state {
		return s.corrupt(fmt.Sprintf("object %q is not found by its name, or is there twice", o.Name))
	}
	return nil
}

// Names calls yield with the name of every object, until it reports false. Objects
// that come or go meanwhile may be missed.
func (s *Segment) Names(yield func(name string, kind Kind) bool) {
	for i := range s.usedEntries() {
		state := s.entry(i).state.Load()
		if state&stateMask != stateLive {
			continue
		}
		o, err := s.view(i, state>>serialShift)
		if err == nil && s.entry(i).state.Load() == state && !yield(o.Name, o.Kind) {
			break
		}
	}
	runtime.KeepAlive(s)
}
