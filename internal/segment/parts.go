package segment

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// A part is a block that belongs to an object besides the object's own block. An object that grows
// allocates a block, which is the process's, and adopts it. The parts of a removed object are freed
// together with it.
//
// The tag of a part:
//
//	bits  0..31  1 + the object's entry
//	bit      32  0: no owner id, see ownerTag
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

// hasParts reports whether objects of this kind may have parts. One that this program does not know
// may.
func (k Kind) hasParts() bool { return !k.isKnown() || k == KindDict || k == KindVar || k == KindList }

// Adopt makes a block of this process a part of the object. The change is one store.
//
// Preconditions: off is what Alloc returned; number is at most [MaxPart]; a word of the object
// leads to the block, so that a process which repairs the object after a death finds it.
//
// Errors: [ErrCorrupt] when there is no such block.
func (o *Object) Adopt(off uint64, number uint32) error {
	return o.retag(off, ownerTagOf(o.Seg.Me()), partTagOf(o.place, number), "part.adopted")
}

// Disown makes a part of the object a block of this process, which then frees it. The change is one
// store.
//
// Errors: [ErrCorrupt] when there is no such part.
func (o *Object) Disown(off uint64, number uint32) error {
	return o.retag(off, partTagOf(o.place, number), ownerTagOf(o.Seg.Me()), "part.disowned")
}

func (o *Object) retag(off, from, to uint64, point string) error {
	s := o.Seg
	if off < blockHeaderBytes || !s.blockOK(off-blockHeaderBytes, lineBytes) {
		return s.corrupt("a part of an object is not in the heap")
	}
	b := s.block(off - blockHeaderBytes)
	if b.word.Load()&inUse == 0 || b.tag.Load() != from {
		return s.corrupt("a part of an object belongs to something else")
	}
	b.tag.Store(to) // this store changes the owner of the block
	crashpoint.Here(point)
	runtime.KeepAlive(s)
	return nil
}

// HasPart reports whether there is a part of the object at off. It walks the heap, so that bytes in
// the middle of a block are not mistaken for one: off may be what a dead process has left behind.
//
// Errors: [ErrCorrupt], [lock.ErrClosed], the context's error.
func (o *Object) HasPart(ctx context.Context, off uint64, number uint32) (has bool, err error) {
	s, tag := o.Seg, partTagOf(o.place, number)
	err = s.lockedUnder(ctx, func() error {
		return s.eachBlock(func(at, word uint64) bool {
			if at+blockHeaderBytes == off {
				has = word&inUse != 0 && s.block(at).tag.Load() == tag
			}
			return at < off
		})
	})
	return has, err
}

// Parts counts the parts of the object, and the bytes of their blocks. It walks the heap.
//
// Errors: [ErrCorrupt], [lock.ErrClosed], the context's error.
func (o *Object) Parts(ctx context.Context) (n int, bytes int64, err error) {
	s, tag := o.Seg, partTagOf(o.place, 0)
	err = s.lockedUnder(ctx, func() error {
		return s.eachBlock(func(at, word uint64) bool {
			if word&inUse != 0 && s.block(at).tag.Load()&^(MaxPart<<partNumberShift) == tag {
				n++
				bytes += int64(word & sizeMask)
			}
			return true
		})
	})
	return n, bytes, err
}

// TryAllocDirty is [Segment.AllocDirtyContext] that does not ask other processes to give back what
// they do not need: it is for callers that can make room by themselves.
func (s *Segment) TryAllocDirty(ctx context.Context, n int) (off uint64, err error) {
	err = s.lockedUnder(ctx, func() error {
		if err := s.reclaimRetired(reclaimFew); err != nil {
			return err
		}
		start, err := s.alloc(uint64(n), ownerTagOf(s.Me()), false)
		off = start + blockHeaderBytes
		return err
	})
	if err != nil {
		return 0, err
	}
	crashpoint.Here("block.allocated")
	runtime.KeepAlive(s)
	return off, nil
}

// Memory is the whole mapping. A caller looks at the heap only below what [Segment.HeapEnd] has
// returned.
func (s *Segment) Memory() []byte { return s.mem }

// HeapStart is the offset at which the heap begins.
func (s *Segment) HeapStart() uint64 { return s.geo.heap }

// HeapEnd is the offset up to which the heap is reserved: no load below it fails. It never shrinks.
func (s *Segment) HeapEnd() uint64 {
	end := s.geo.heap + min(headerIn(s.mem).heapReal.Load(), s.geo.size-s.geo.heap)
	return s.reach.within(end)
}

// Start is the offset of the object's payload in the segment.
func (o *Object) Start() uint64 { return o.start }

// Boot is the boot of the machine, zeros where the system does not tell.
func Boot() [2]uint64 { return bootID() }
