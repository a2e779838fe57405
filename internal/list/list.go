// Package list is a sequence of elements of one size in shared memory that grows at its end.
//
// The elements lie in chunks, parts of the object, which never move and stay until the object is
// removed: chunk 0 has up to 64 elements, and each further one as many as all before it. An append
// writes the elements, and then stores the length. A change of an element first copies it aside, so
// that readers, and the next writer after a death, find the old one. No reader waits for a writer
// that is stopped or killed.
package list

import (
	"context"
	"errors"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/owned"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// A List is one process's view of a List. It may be used by any number of goroutines.
type List struct {
	o        *segment.Object
	head     *head
	undo     []byte // the copy of one element, in shared memory
	size     uint64
	firstLog uint
	m        *lock.Mutex
	order    race.Shadow
	mem      []byte        // the whole mapping
	end      atomic.Uint64 // up to where the heap is known to be reserved

	// The chunk to which this process has appended last, guarded by the lock.
	tail               []byte
	tailFirst, tailLen uint64 // number of its first element, and of its elements

	// Calling says that the holder of the lock runs code of a user, for which a close of the
	// segment does not wait long.
	Calling atomic.Bool
}

// Spec is what the directory has to know to make a List of elements of that size.
func Spec(name, typ string, size int) segment.Spec {
	return segment.Spec{
		Name: name, Kind: segment.KindList, Type: typ, Size: headBytes + int64(size+7)&^7,
		Init: func(mem []byte) {
			h := headIn(mem)
			h.size = uint32(size)
			h.firstLog = uint32(bits.Len(uint(max(min(4096/size, 64), 1))) - 1)
		},
	}
}

// Of is the process's view of the List in o, which is of [segment.KindList], with elements of that
// size.
//
// Errors: [segment.ErrCorrupt] when the payload cannot be that of such a List.
func Of(o *segment.Object, size int) (*List, error) {
	l := o.Local(func() (any, func() bool) {
		l := newList(o)
		if l == nil {
			return l, nil
		}
		return l, func() bool { return o.Seg.StillHeld(l.m.Held, &l.Calling) }
	}).(*List)
	if l == nil || l.size != uint64(size) {
		return nil, o.Damaged("its size is impossible")
	}
	return l, nil
}

func newList(o *segment.Object) *List {
	if len(o.Payload) < headBytes {
		return nil
	}
	h := headIn(o.Payload)
	if o.IsBlank() { // its parts are not there
		h.length.Store(0)
	}
	size, log := uint64(h.size), uint(h.firstLog)
	if size == 0 || uint64(len(o.Payload)) != headBytes+(size+7)&^7 || log > 6 {
		return nil
	}
	l := &List{o: o, head: h, undo: o.Payload[headBytes : headBytes+size], size: size, firstLog: log, mem: o.Seg.Memory()}
	l.m = lock.NewMutex(o.Party(), o.LockMemory(o.Payload[:lock.RegionBytes]), wait.Adaptive)
	l.m.Target = o.Target(lock.RoleLock)
	return l
}

// Len is the number of elements.
func (l *List) Len() uint64 {
	n := l.head.length.Load() // SYNC: length: the elements are complete
	if l.o.Vanished() {
		n = 0
	}
	runtime.KeepAlive(l)
	return n
}

// Closed reports whether the List is not there any more for this process.
func (l *List) Closed() bool { return l.o.Closed() }

// chunkOf is the chunk of an element, and the element's number in it.
func (l *List) chunkOf(i uint64) (k uint, at uint64) {
	k = uint(bits.Len64(i >> l.firstLog))
	if k > 0 {
		at = i - 1<<(l.firstLog+k-1)
		return k, at
	}
	return 0, i
}

// chunkLen is how many elements a chunk has.
func (l *List) chunkLen(k uint) uint64 {
	if k == 0 {
		return 1 << l.firstLog
	}
	return 1 << (l.firstLog + k - 1)
}

// chunk is the memory of a chunk; nil when it is not there, or cannot be where it should.
func (l *List) chunk(k uint) []byte {
	if k >= maxChunks {
		return nil
	}
	off, n := l.head.chunks[k].Load(), l.chunkLen(k)*l.size
	if off == 0 || off&7 != 0 || off < l.o.Seg.HeapStart() || off > 1<<46 || n > 1<<46 {
		return nil
	}
	if off+n > l.end.Load() {
		if l.o.Closed() {
			return nil
		}
		l.end.Store(l.o.Seg.HeapEnd())
		if off+n > l.end.Load() {
			return nil
		}
	}
	return l.mem[off : off+n : off+n]
}

// element is the memory of an element; nil when its chunk is not there.
func (l *List) element(i uint64) []byte {
	k, at := l.chunkOf(i)
	c := l.chunk(k)
	if c == nil {
		return nil
	}
	return c[at*l.size : (at+1)*l.size : (at+1)*l.size]
}

const (
	readTries  = 64                   // how often At tries before it locks
	readWait   = 5 * time.Millisecond // how long it then waits for the lock, at first
	readRounds = 10                   // how often it does both, each time waiting for twice as long
)

// At copies element i to dst, which has its size, and reports whether there is one.
//
// Errors: [lock.ErrClosed], [segment.ErrCorrupt].
func (l *List) At(i uint64, dst []byte) (ok bool, err error) {
	for round := range l.o.Rounds(readRounds) {
		for range readTries {
			if ok, whole := l.read(i, dst); whole {
				l.order.Acquire()
				if l.o.Closed() {
					err = l.o.Gone()
				}
				runtime.KeepAlive(l)
				return ok, err
			}
		}
		if l.o.ReadOnly() {
			if err := l.o.AwaitTurn(context.Background(), round); err != nil {
				return false, err
			}
			continue
		}
		// Writers are faster than this reader: it keeps them out for once. When it does not get the
		// lock soon, one of them holds it and does nothing, so that the next look succeeds.
		ctx, cancel := context.WithTimeout(context.Background(), readWait<<round)
		err := l.lock(ctx)
		cancel()
		if err == nil {
			ok, whole := l.read(i, dst)
			if l.unlock(&err); whole {
				return ok, err
			}
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return false, err
		}
	}
	return false, owned.Corrupt(l.o)
}

// read is one try of At.
func (l *List) read(i uint64, dst []byte) (ok, whole bool) {
	s := l.head.sequence.Load() // SYNC: sequence: read before the length and the element
	if i >= l.head.length.Load() {
		return false, l.head.sequence.Load() == s
	}
	e := l.element(i)
	if e == nil {
		return false, false
	}
	crashpoint.Here("list.read.found")
	copy(dst, e)
	if s&1 != 0 && l.head.undo == i {
		copy(dst, l.undo) // its writer has not finished: the copy is the value
	}
	cpu.LoadFence() // the element was read before the sequence is read again
	return true, l.head.sequence.Load() == s
}

func (l *List) lock(ctx context.Context) error {
	if l.m.LockFast() {
		return nil
	}
	return owned.Lock(ctx, l.o, l.m, l.mend)
}

func (l *List) unlock(err *error) {
	l.order.ReleaseMerge()
	owned.Unlock(l.o, l.m, err)
}

// Lock takes the lock, for a caller that looks at elements before it changes them; Unlock gives it
// back.
func (l *List) Lock(ctx context.Context) error { return l.lock(ctx) }

// Unlock gives the lock back; see [owned.Unlock].
func (l *List) Unlock(err *error) { l.unlock(err) }

func (l *List) holder() owned.Holder { return owned.Holder{Object: l.o, Words: &l.head.words} }

// mend puts back an element that was being changed when a process died with the lock, and has
// readers look again that may have read one which was taken away.
func (l *List) mend() error {
	s := l.head.sequence.Load()
	if s&1 != 0 {
		e := l.element(l.head.undo)
		if e == nil {
			return owned.Corrupt(l.o)
		}
		copy(e, l.undo)
		crashpoint.Here("list.mend.restored")
	}
	storeRelease(&l.head.sequence, (s|1)+1)
	cpu.StoreFence()
	crashpoint.Here("list.mend.sequence")
	return l.holder().Mend(func(off uint64) bool {
		for k := range l.head.chunks {
			if l.head.chunks[k].Load() == off {
				return true
			}
		}
		return false
	})
}
