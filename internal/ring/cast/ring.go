package cast

import (
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// Traits are what belongs to a broadcast rather than to one of its handles.
type Traits struct {
	Full     ring.WhenFull
	Many     bool          // processes take turns in writing; otherwise one has the role
	Readers  int           // how many can be subscribed at once
	Patience time.Duration // how long a Put waits for a reader that stands; 0: without limit
	Keep     uint64        // positions that are kept for late readers
}

const (
	// MaxReaders is how many readers a broadcast can have.
	MaxReaders = 1024
	// MaxBytes is the largest ring for messages of any length.
	MaxBytes = 1 << 30
	minBytes = 2 * recordAlign

	traitFull = 3
	traitMany = 1 << 2
)

// A Ring is one process's view of a broadcast that waits, whatever its messages are. All handles of
// the process share it.
//
// A message is begun, then published by the tail. A writer may write up to the limit without a look
// at the readers:
//
//	cursor of each live reader <= tail <= begun <= limit <= least cursor + capacity
type Ring struct {
	ring.Queue
	head    *head
	states  []atomic.Uint64
	cells   []cell
	places  []byte // the ring
	first   *byte  // of places
	mask    uint64 // capacity - 1
	stride  uintptr
	longest uint64 // of a message, in bytes; 0: messages have a fixed size
	traits  Traits

	putting atomic.Uint64 // 1: a message is being put, and a close of the segment waits for it
	put     writer
	turns   *lock.Mutex      // the writers' lock; nil: one process has the role
	Room    ring.SpinWait    // a writer waits for room
	News    ring.SpinWait    // readers wait for messages
	joins   *lock.EventCount // waits for readers

	// For the race detector, which does not see mapped memory.
	filled race.Shadow // a put comes before the gets of its message
	freed  race.Shadow // a get comes before the put that uses the place next
}

// Layout is that of a broadcast with so many readers, of values of that size, or of messages of any
// length when the size is 0.
func Layout(size, readers int) ring.Layout {
	l := ring.Layout{Head: ringAt(uint32(readers)), Stride: 1, Min: minBytes, Max: MaxBytes}
	if size > 0 {
		l.Stride, l.Min, l.Max = max(uintptr(size+7)&^7, 8), 2, ring.MaxCapacity
	}
	return l
}

// BytesFor is the real size of a ring for messages of any length of at least n bytes.
//
// Errors: [io/fs.ErrInvalid].
func BytesFor(name string, n int) (uint64, error) {
	if n < 1 || n > MaxBytes {
		return 0, segment.Invalid("queue: %q: capacity %d: must be from 1 to %d bytes", name, n, MaxBytes)
	}
	return ring.SlotsFor(name, max(n, minBytes), 1)
}

// Longest is the length of the longest message in a ring of so many bytes: two fit.
func Longest(capacity uint64) uint64 { return capacity/2 - recordBytes }

// Init makes a new broadcast that begins at position start. Size is that of a value, or 0.
func Init(mem []byte, size int, capacity, start uint64, t Traits) {
	ring.InitHead(mem, capacity, false)
	h := headIn(mem)
	h.readers, h.traits = uint32(t.Readers), uint32(t.Full)
	if t.Many {
		h.traits |= traitMany
	}
	if size == 0 {
		h.longest = Longest(capacity)
		start &^= recordAlign - 1
	}
	h.patience, h.keep, h.first = uint64(t.Patience), t.Keep, start
	h.tail.Store(start)
	h.begun.Store(start)
	h.limit.Store(start + capacity)
}

// View is this process's view of an object that is a broadcast of values of that size, or of
// messages of any length when the size is 0.
//
// Errors: [segment.ErrCorrupt].
func View(o *segment.Object, size int) (*Ring, error) {
	if len(o.Payload) < headBytes {
		return nil, ring.Damaged(o)
	}
	h := headIn(o.Payload)
	readers, traits, patience, keep, longest := h.readers, h.traits, h.patience, h.keep, h.longest
	if readers < 1 || readers > MaxReaders || traits&^(traitFull|traitMany) != 0 || traits&traitFull > uint32(ring.DropNewest) {
		return nil, ring.Damaged(o)
	}
	layout := Layout(size, int(readers))
	q, err := ring.NewQueue(o, layout)
	if err != nil {
		return nil, err
	}
	capacity := q.Capacity()
	if keep >= capacity || patience>>63 != 0 || size > 0 && longest != 0 || size == 0 && longest != Longest(capacity) {
		return nil, ring.Damaged(o)
	}
	places := o.Payload[layout.Head:]
	r := &Ring{
		Queue: q, head: h, states: statesIn(o.Payload, readers), cells: cellsIn(o.Payload, readers),
		places: places, first: &places[0], mask: capacity - 1, stride: layout.Stride, longest: longest,
		traits: Traits{
			Full: ring.WhenFull(traits & traitFull), Many: traits&traitMany != 0, Readers: int(readers),
			Patience: time.Duration(patience), Keep: keep,
		},
	}
	r.bind(o)
	return r, nil
}

// bind views the locks and event counts.
func (r *Ring) bind(o *segment.Object) {
	r.Room.Single = true // by contract, or under the writers' lock
	r.Room.Bind(o, r.head.NotFull[:], lock.RolePut)
	r.News.Bind(o, r.head.NotEmpty[:], lock.RoleGet)
	r.joins = lock.NewEventCount(o.Party(), r.head.Joiners[:])
	r.joins.Target = o.Target(lock.RoleReaders)
	if r.traits.Many {
		r.turns = lock.NewMutex(o.Party(), r.head.turns[:], wait.Adaptive)
		r.turns.Target = o.Target(lock.RoleLock)
	}
	r.put.slow = -1
	r.put.ready = func() bool {
		r.put.err = r.room(r.put.need, true)
		return r.put.err != ring.ErrFull
	}
}

// Traits are what was decided when the broadcast was made.
func (r *Ring) Traits() Traits { return r.traits }

// toEnd is how many places there are from a position to the end of the ring.
func (r *Ring) toEnd(p uint64) uint64 { return r.Capacity() - p&r.mask }

// Busy reports whether a goroutine of this process is putting just now, and does not come to an
// end. A place that is reserved is no reason to wait: its user may be waiting, too. Readers are
// none, either: what they copy is thrown away when the segment is closed meanwhile.
func (r *Ring) Busy() bool {
	ring.Barrier()
	return !r.QuietSurely(func() bool { return r.putting.Load() == 0 })
}

// Close says that nothing will be put any more.
//
// Errors: [lock.ErrClosed].
func (r *Ring) Close() error {
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	// SYNC: closed: a process that sees the flag sees after a barrier the puts that have not seen
	// it; see Begin.
	r.SetClosed()
	crashpoint.Here("cast.closed")
	ring.Barrier()
	r.News.Event.NotifyAll()
	crashpoint.Here("cast.close.told")
	r.Room.Event.NotifyAll()
	return r.Reached()
}

// Counts are how many messages were put, those included that died with their process, and how long
// those of any length are together.
func (r *Ring) Counts() (put, bytes uint64) {
	if r.longest != 0 {
		return r.head.messages.Load(), r.head.bytes.Load()
	}
	return r.head.tail.Load() - r.head.first + r.Shared.Abandoned.Load(), 0
}

// Expelled is how many readers were expelled.
func (r *Ring) Expelled() uint64 { return r.head.expelled.Load() }

// Scans is how many looks at the readers the writers took.
func (r *Ring) Scans() uint64 { return r.head.scans.Load() }

// Owner is the process that has the role of the writer, or had it last; or, with many writers, the
// one that has the lock.
func (r *Ring) Owner() proctab.Owner {
	if r.turns != nil {
		return r.turns.Owner()
	}
	return proctab.Owner(r.head.writer.Load() & proctab.OwnerMask)
}
