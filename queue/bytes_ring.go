package queue

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A bytesRing is one process's view of a Bytes. All handles of the process share it.
//
// The ring is full of records, one behind the other from free to tail. Positions count bytes from the first
// that was ever used, and may wrap. Records are made under one lock and claimed under another; what is in them is
// copied under none.
//
//	free <= take <= tail,  tail - free <= size
//
// The state of a record, and what the death of its owner leaves to the others:
//
//	#  kind     owner  meaning                            next
//	1  writing  p      p copies the message in            p publishes it -> 2, or gives it up -> 4; p is dead: 5, counted
//	2  full     -      the message waits                  a consumer claims it -> 3
//	3  reading  c      c copies the message out           c is done -> 5; c is dead: 5, counted
//	4  aborted  -      no message came                    take and free move over it
//	5  done     -      a gap: nobody needs its bytes      take and free move over it
type bytesRing struct {
	head    *bytesHead
	mem     []byte // the records
	mask    uint64 // size of the ring - 1
	longest uint64
	ring.View

	putLock *lock.Mutex
	getLock *lock.Mutex

	// What this process last saw of the other side's words, whose cache line is mostly on its way elsewhere. They only grow, so
	// that what was seen is on the safe side, until it does not suffice.
	freeSeen, getsSeen atomic.Uint64 // of who has putLock, of which damaged bytes make two
	tailSeen           atomic.Uint64 // of who has getLock

	producers ring.SpinWait // wait for room
	consumers ring.SpinWait // wait for messages
	tasks     *ring.Tasks   // nil: not joinable

	// For the race detector, which does not see mapped memory.
	filled race.Shadow
	freed  race.Shadow
}

// The state word of a record.
//
//	bits  0..30  bytes of the record, its head included; a multiple of 8
//	bits 31..60  owner id (see proctab.Owner) while writing or reading, else 0
//	bits 61..63  kind
const (
	recSizeMask   = 1<<31 - 1
	recOwnerShift = 31
	recKindShift  = recOwnerShift + proctab.OwnerBits

	recWriting uint64 = 1 << recKindShift
	recFull    uint64 = 2 << recKindShift
	recReading uint64 = 3 << recKindShift
	recAborted uint64 = 4 << recKindShift
	recDone    uint64 = 5 << recKindShift
	recKinds   uint64 = 7 << recKindShift

	maxLongest = 1 << 30 // so that every record's size fits into its word
)

func recWord(kind uint64, o proctab.Owner, size uint64) uint64 {
	return kind | uint64(o)<<recOwnerShift | size
}
func recOwner(w uint64) proctab.Owner { return proctab.Owner(w >> recOwnerShift & proctab.OwnerMask) }

// recordFor is the size of the record for a message of n bytes.
func recordFor(n uint64) uint64 { return (n+7)&^7 + recordBytes }

// ringFor is the size of the ring for messages of up to n bytes: such a message fits, wherever the ring is empty.
func ringFor(n uint64) uint64 {
	size := uint64(64)
	for size < recordFor(n) {
		size *= 2
	}
	return size
}

// viewBytes checks what an object's head says against the object's size.
func viewBytes(o *segment.Object) (*bytesRing, error) {
	size, _, err := ring.Layout{Head: bytesHeadBytes, Stride: 1, Min: ringFor(0), Max: ringFor(maxLongest)}.Capacity(o)
	if err != nil {
		return nil, err
	}
	head := bytesHeadIn(o.Payload)
	longest, joinable, processes := head.longest, head.joinable == 1, o.Seg.Table().Len()
	if longest > maxLongest || size != ringFor(longest) || int64(len(o.Payload)) != bytesFor(longest, joinable, processes) {
		return nil, ring.Damaged(o)
	}
	party := o.Party()
	r := &bytesRing{
		View:    ring.NewView(o, "queue"),
		head:    head,
		mem:     o.Payload[bytesHeadBytes : bytesHeadBytes+size],
		mask:    size - 1,
		longest: longest,
		putLock: lock.NewMutex(party, head.putLock[:], wait.Adaptive),
		getLock: lock.NewMutex(party, head.getLock[:], wait.Adaptive),
	}
	r.freeSeen.Store(head.free.Load())
	r.tailSeen.Store(head.tail.Load())
	r.putLock.Target, r.getLock.Target = o.Target(lock.RolePut), o.Target(lock.RoleGet)
	r.producers.Bind(o, head.notFull[:], lock.RolePut)
	r.consumers.Bind(o, head.notEmpty[:], lock.RoleGet)
	if joinable {
		r.tasks = ring.NewTasks(o, head.joiners[:], o.Payload[len(o.Payload)-ring.TasksSize(processes):])
	}
	return r, nil
}

// bytesFor is the size of the object.
func bytesFor(longest uint64, joinable bool, slots int) int64 {
	n := bytesHeadBytes + int(ringFor(longest))
	if joinable {
		n = ring.TasksAt(n) + ring.TasksSize(slots)
	}
	return int64(n)
}

// fillBytes makes a new queue whose first position is start, a multiple of 8.
func fillBytes(mem []byte, longest uint64, joinable bool, start uint64) {
	h := bytesHeadIn(mem)
	h.size, h.longest = ringFor(longest), longest
	if joinable {
		h.joinable = 1
	}
	h.tail.Store(start)
	h.take.Store(start)
	h.free.Store(start)
}

func (r *bytesRing) size() uint64 { return r.mask + 1 }

// busy reports whether this process has something in its hands, for Close of its segment.
func (r *bytesRing) busy() bool {
	if r.putLock.Held() || r.getLock.Held() {
		return true
	}
	p, tail := r.head.free.Load(), r.head.tail.Load()
	for tail-p <= r.size() && p != tail {
		_, w, ok := r.at(p, tail)
		if !ok {
			return false
		}
		if kind := w & recKinds; (kind == recWriting || kind == recReading) && recOwner(w) == r.Me {
			return true
		}
		p += w & recSizeMask
	}
	return false
}

// atOnce is a context for the locks of a ring: they are held for nanoseconds, and to spin for them is enough,
// unless their holder is stopped.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// lockTries is how often a lock of the ring is asked for, which spins each time.
const lockTries = 16

// errBusy says that a lock of the ring was not free for longer than it should be.
var errBusy = errors.New("queue: the queue is held up")

// locked runs f under a lock of the ring. All that is done there takes effect with one store, so that the death
// of a holder leaves nothing to mend. The stores need no fence: whoever looks without the lock sees them in their order.
//
// Errors: errBusy, [shm.ErrClosed], [shm.ErrCorrupt], that of f.
func (r *bytesRing) locked(m *lock.Mutex, f func() error) error {
	err := m.Lock(atOnce)
	for try := 0; errors.Is(err, context.Canceled) && try < lockTries; try++ {
		runtime.Gosched() // to another goroutine of this process, perhaps
		err = m.Lock(atOnce)
	}
	if errors.Is(err, context.Canceled) {
		return errBusy
	}
	if err = r.entered(m, err); err != nil {
		return err
	}
	err = f()
	if !m.TryUnlock() {
		return r.Corrupt
	}
	return err
}

// entered is what the error of a lock means. The lock is held when it returns nil.
func (r *bytesRing) entered(m *lock.Mutex, err error) error {
	switch {
	case err == nil, errors.Is(err, lock.ErrOwnerDied) && m.TryMarkConsistent():
		return nil
	case errors.Is(err, lock.ErrClosed):
		return shm.ErrClosed
	}
	return r.Corrupt
}

// at returns the word of the record at a position before end, whose size makes sense; false when it does not.
func (r *bytesRing) at(p, end uint64) (rec *record, w uint64, ok bool) {
	off := p & r.mask
	if off%8 != 0 || off > r.mask+1-recordBytes && off != r.mask+1-8 {
		return nil, 0, false
	}
	if off == r.mask+1-8 {
		return nil, recWord(recDone, ring.Nobody, 8), end-p >= 8 // too little for a record: always a gap
	}
	rec = r.record(p)
	w = rec.state.Load()
	size := w & recSizeMask
	return rec, w, size%8 == 0 && size >= recordBytes && size <= end-p && off+size <= r.size()
}

// lost makes a gap of a record whose owner is dead, and counts it.
//
// What a death leaves behind: a gap that is not counted.
func (r *bytesRing) lost(rec *record, w uint64) {
	if rec.state.CompareAndSwap(w, recWord(recDone, ring.Nobody, w&recSizeMask)) {
		r.head.abandoned.Add(1)
	}
}

// isGap reports whether nobody needs the bytes of a record with this word.
func isGap(w uint64) bool { return w&recKinds == recDone || w&recKinds == recAborted }
