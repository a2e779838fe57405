package segment

import "fmt"

// A Report is what a walk through a segment found.
type Report struct {
	Objects  int   // live
	Graves   int   // removed, but still in use
	Blocks   int   // that belong to a process
	UsedFor  int64 // bytes in blocks in use
	FreeIn   int64 // bytes in free blocks
	Reserved int64 // bytes of the heap that the file system has set aside
}

// Check walks the whole segment under its lock and compares everything that is
// derived with the truth. It first recycles what nobody uses any more.
//
// Errors: [ErrCorrupt] with the first thing that is wrong; a leaked byte, too.
func (s *Segment) Check() (r Report, err error) {
	err = s.locked(func() error {
		if err := s.sweep(); err != nil {
			return err
		}
		if err := s.checkHeap(&r); err != nil {
			return err
		}
		return s.checkDirectory(&r)
	})
	return r, err
}

func (s *Segment) checkHeap(r *Report) error {
	h := headerIn(s.mem)
	r.Reserved = int64(h.heapReal)
	listed := map[uint64]bool{}
	for bin, off := range h.bins {
		prev := uint64(0)
		for ; off != 0; prev, off = off, s.block(off).next {
			size := s.freeSize(off)
			if size == 0 || listed[off] || binOf(size) != bin || s.block(off).prev != prev {
				return s.corrupt(fmt.Sprintf("free list %d is damaged at %#x", bin, off))
			}
			listed[off] = true
		}
	}
	before, wasFree := uint64(0), false
	for off := s.geo.heap; off < h.brk; off += before {
		b := s.block(off)
		w := b.word.Load()
		size := w & sizeMask
		used := w&inUse != 0
		switch {
		case !s.blockOK(off, size):
			return s.corrupt(fmt.Sprintf("block %#x has an impossible size", off))
		case b.before != before:
			return s.corrupt(fmt.Sprintf("block %#x does not know the one before it", off))
		case used && !s.claimed(off, b.tag):
			return s.corrupt(fmt.Sprintf("block %#x of %d bytes belongs to nobody: leaked", off, size))
		case !used && !listed[off]:
			return s.corrupt(fmt.Sprintf("free block %#x is in no list", off))
		case !used && wasFree:
			return s.corrupt(fmt.Sprintf("free block %#x has a free neighbour", off))
		case used && b.tag&ownerTag != 0:
			r.Blocks++
		}
		if used {
			r.UsedFor += int64(size)
		} else {
			r.FreeIn += int64(size)
			delete(listed, off)
		}
		before, wasFree = size, !used
	}
	if len(listed) > 0 || before != h.last {
		return s.corrupt("the free lists name blocks that are not there")
	}
	return nil
}

func (s *Segment) checkDirectory(r *Report) error {
	h := headerIn(s.mem)
	if h.changes.Load()%2 != 0 {
		return s.corrupt("the directory is marked as being taken apart")
	}
	free := 0
	for i := h.freeEntry; i != 0; i = s.entry(i - 1).next.Load() {
		if free++; free > int(h.used.Load()) || s.entry(i-1).state.Load()&stateMask != stateFree {
			return s.corrupt("the free list of the directory is damaged")
		}
	}
	names := map[string]bool{}
	for i := range h.used.Load() {
		e := s.entry(i)
		state := e.state.Load()
		switch state & stateMask {
		case stateFree:
			free--
			continue
		case stateRemoved:
			r.Graves++
		case stateLive:
			o, err := s.view(i, state>>serialShift)
			if err != nil {
				return err
			}
			if at, _, err := s.search(o.Name, hashOf(o.Name)); err != nil || at != i || names[o.Name] {
				return s.corrupt(fmt.Sprintf("object %q is not found by its name, or is there twice", o.Name))
			}
			names[o.Name] = true
			r.Objects++
		}
		if !s.owns(i, e.block) {
			return s.corrupt(fmt.Sprintf("entry %d has lost its block", i))
		}
	}
	if free != 0 || int(h.live.Load()) != r.Objects || int(h.graves.Load()) != r.Graves {
		return s.corrupt("the counts of the directory are wrong")
	}
	return nil
}

// Names calls yield with the name of every object, until it reports false.
func (s *Segment) Names(yield func(name string, kind Kind) bool) {
	for i := range min(headerIn(s.mem).used.Load(), s.geo.maxObjects) {
		state := s.entry(i).state.Load()
		if state&stateMask != stateLive {
			continue
		}
		o, err := s.view(i, state>>serialShift)
		if err == nil && s.entry(i).state.Load() == state && !yield(o.Name, o.Kind) {
			return
		}
	}
}
