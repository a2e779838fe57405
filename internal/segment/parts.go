package segment

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/directory"
)

// mayHaveParts reports whether objects of a kind may have parts. One that this program does not
// know may.
func mayHaveParts(kind uint32) bool {
	k := Kind(kind)
	return !k.isKnown() || k == KindDict || k == KindVar || k == KindList
}

// Adopt makes a block of this process a part of the object. The change is one store.
//
// Preconditions: off is what Alloc returned; number is at most [directory.MaxPart]; a word of the
// object leads to the block, so that a process which repairs the object after a death finds it.
//
// Errors: [ErrCorrupt] when there is no such block.
func (o *Object) Adopt(off uint64, number uint32) error {
	return o.retag(off, directory.OwnerTag(o.Seg.Me(), 0), directory.PartTag(o.index, o.serial, number), "part.adopted")
}

// Disown makes a part of the object a block of this process, which then frees it. The change is one
// store.
//
// Errors: [ErrCorrupt] when there is no such part.
func (o *Object) Disown(off uint64, number uint32) error {
	return o.retag(off, directory.PartTag(o.index, o.serial, number), directory.OwnerTag(o.Seg.Me(), 0), "part.disowned")
}

func (o *Object) retag(off, from, to uint64, point string) error {
	err := o.Seg.dir.Retag(off, from, to, point)
	runtime.KeepAlive(o)
	return err
}

// HasPart reports whether there is a part of the object at off. It walks the heap, so that bytes in
// the middle of a block are not mistaken for one: off may be what a dead process has left behind.
//
// Errors: [ErrCorrupt], [lock.ErrClosed], the context's error.
func (o *Object) HasPart(ctx context.Context, off uint64, number uint32) (has bool, err error) {
	s, tag := o.Seg, directory.PartTag(o.index, o.serial, number)
	err = s.lockedUnder(ctx, func() error {
		return s.dir.EachUsed(func(at, _, its uint64) bool {
			has = at == off && its == tag
			return at < off
		})
	})
	return has, err
}

// Parts counts the parts of the object, and the bytes of their blocks. It walks the heap.
//
// Errors: [ErrCorrupt], [lock.ErrClosed], the context's error.
func (o *Object) Parts(ctx context.Context) (n int, bytes int64, err error) {
	s, tag := o.Seg, directory.PartTag(o.index, o.serial, 0)
	err = s.lockedUnder(ctx, func() error {
		return s.dir.EachUsed(func(_, size, its uint64) bool {
			if directory.WithoutNumber(its) == tag {
				n++
				bytes += int64(size)
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
		if err := s.dir.Reclaim(directory.ReclaimFew); err != nil {
			return err
		}
		off, err = s.dir.Alloc(uint64(n), directory.OwnerTag(s.Me(), 0), false)
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
func (s *Segment) HeapStart() uint64 { return s.geo.Heap }

// HeapEnd is the offset up to which the heap is reserved: no load below it fails. It never shrinks.
func (s *Segment) HeapEnd() uint64 {
	return s.dir.HeapEnd()
}

// Start is the offset of the object's payload in the segment.
func (o *Object) Start() uint64 { return o.start }

// Boot is the boot of the machine, zeros where the system does not tell.
func Boot() [2]uint64 { return bootID() }
