// Package record is a ring of records of any length, for any number of producers and consumers,
// each of which may die at any instruction. A place is claimed under a lock, and copied to or from
// under none.
//
// The documentation of package queue says what a death leaves behind.
package record

import (
	"errors"
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

// A Ring is one process's view of a Bytes. All handles of the process share it.
//
// The ring is full of records, one behind the other from free to tail. Positions count bytes from
// the first that was ever used, and may wrap. Records are made under one lock and claimed under
// another; what is in them is copied under none.
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
//	5  done     -      a gap: its bytes are not needed   take and free move over it
type Ring struct {
	ring.Queue
	head    *head
	mem     []byte // the records
	mask    uint64 // size of the ring - 1
	longest uint64

	// They are held for nanoseconds.
	PutLock *lock.Mutex
	GetLock *lock.Mutex

	// What this process last saw of the other side's words. Their cache line is mostly on its way
	// elsewhere. They only grow, so that what was seen is on the safe side, until it does not
	// suffice.
	// the holder of putLock uses them; damaged bytes may make two holders
	freeSeen, getsSeen atomic.Uint64
	tailSeen           atomic.Uint64 // the holder of getLock uses it

	Producers ring.SpinWait // wait for room
	Consumers ring.SpinWait // wait for messages

	// how many claims of this process are reservations, or messages that a caller looks at
	open atomic.Int32

	// For the race detector, which does not see mapped memory.
	filled race.Shadow
	freed  race.Shadow
}

// ringFor is the size of the ring for messages of up to n bytes: such a message fits, wherever the
// ring is empty.
func ringFor(n uint64) uint64 {
	size := uint64(64)
	for size < recordFor(n) {
		size *= 2
	}
	return size
}

// Layout is that of any ring: a unit of its capacity is a byte.
var Layout = ring.Layout{Head: headBytes, Stride: 1, Min: ringFor(0), Max: ringFor(MaxLongest), Joinable: true}

// Size is the size of an object for messages of up to that many bytes. Processes is how many count
// their tasks.
func Size(longest uint64, processes int) int64 { return Layout.Size(ringFor(longest), processes) }

// View is this process's view of an object that is a Bytes.
//
// Errors: [segment.ErrCorrupt].
func View(o *segment.Object) (*Ring, error) {
	q, err := ring.NewQueue(o, Layout)
	if err != nil {
		return nil, err
	}
	head, size := headIn(o.Payload), q.Capacity()
	longest := head.longest
	if longest > MaxLongest || size != ringFor(longest) {
		return nil, ring.Damaged(o)
	}
	party := o.Party()
	r := &Ring{
		Queue:   q,
		head:    head,
		mem:     o.Payload[headBytes : headBytes+size],
		mask:    size - 1,
		longest: longest,
		PutLock: lock.NewMutex(party, head.putLock[:], wait.Adaptive),
		GetLock: lock.NewMutex(party, head.getLock[:], wait.Adaptive),
	}
	r.freeSeen.Store(head.free.Load())
	r.tailSeen.Store(head.tail.Load())
	r.PutLock.Target, r.GetLock.Target = o.Target(lock.RolePut), o.Target(lock.RoleGet)
	r.Producers.Bind(o, head.NotFull[:], lock.RolePut)
	r.Consumers.Bind(o, head.NotEmpty[:], lock.RoleGet)
	return r, nil
}

// Init makes a new queue that begins at position start, a multiple of 8.
func Init(mem []byte, longest uint64, joinable bool, start uint64) {
	ring.InitHead(mem, ringFor(longest), joinable)
	h := headIn(mem)
	h.longest = longest
	h.tail.Store(start)
	h.take.Store(start)
	h.free.Store(start)
}

// Longest is the length of the longest message, in bytes.
func (r *Ring) Longest() int { return int(r.longest) }

// Room is how many bytes are free. Both ends are read at one instant, in which free stood still:
// otherwise a process that loses its processor between the two finds the queue full.
func (r *Ring) Room() uint64 {
	for range ring.Retries {
		free := r.head.free.Load()
		used := r.head.tail.Load() - free
		if r.head.free.Load() == free {
			return r.Capacity() - min(used, r.Capacity())
		}
	}
	return r.Capacity() / 2 // consumers are faster than this process can look
}

// Counts are how many messages were put, how many of them are not in the queue any more, and how
// many bytes were put.
func (r *Ring) Counts() (put, got, bytes uint64) {
	got = r.head.gets.Load()
	return max(r.head.puts.Load(), got), got, r.head.bytes.Load()
}

// Busy reports whether this process has something in its hands, for Close of its segment. It waits
// for what is under way to end: a lock of the ring is held for nanoseconds, and a claim for as long
// as it takes to copy a message. It does not wait for claims that a caller keeps.
func (r *Ring) Busy() bool {
	claims := int32(0)
	quiet := r.QuietSoon(func() bool {
		if r.PutLock.Held() || r.GetLock.Held() {
			return false
		}
		claims = r.claims()
		return claims <= max(r.open.Load(), 0)
	})
	return !quiet || claims > 0
}

// claims counts the records that this process has claimed.
func (r *Ring) claims() (n int32) {
	p, tail := r.head.free.Load(), r.head.tail.Load()
	for tail-p <= r.Capacity() && p != tail {
		_, w, ok := r.at(p, tail)
		if !ok {
			break
		}
		if kind := w & recKinds; (kind == recWriting || kind == recReading) && recOwner(w) == r.Me {
			n++
		}
		p += w & recSizeMask
	}
	return n
}

// Close closes the queue under putLock, so that a process that sees that it is closed sees all
// messages that came before.
func (r *Ring) Close() error {
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	flag := func() error {
		// SYNC: closed: the tail is the last.
		r.SetClosed()
		crashpoint.Here("bytes.closed")
		return nil
	}
	err := r.locked(r.PutLock, flag)
	for try := 0; err == ErrBusy && try < 100; try++ { // a second, unless the holder is stopped
		time.Sleep(10 * time.Millisecond)
		err = r.locked(r.PutLock, flag)
	}
	switch {
	case errors.Is(err, lock.ErrClosed):
		return err
	case err != nil:
		r.SetClosed() // the message that a stopped process is about to put may come after the end
	}
	if err == ErrBusy {
		err = nil
	}
	r.Consumers.Event.NotifyAll()
	crashpoint.Here("bytes.close.told")
	r.Producers.Event.NotifyAll()
	return err
}

// Reopen opens a queue that was closed, and is empty.
//
// Errors: [io/fs.ErrInvalid] when messages are left; [ErrBusy], [lock.ErrClosed],
// [segment.ErrCorrupt].
func (r *Ring) Reopen() error {
	return r.locked(r.PutLock, func() error {
		put, got, _ := r.Counts()
		err := r.Queue.Reopen(int(put - got))
		crashpoint.Here("bytes.reopened")
		return err
	})
}

// MakeRoom is Reserve that does what the options say when there is no room.
//
// Errors: those of Reserve; [ring.ErrFull], with [ring.DropOldest], while another process is at
// work on the oldest message; [ring.ErrDropped].
func (r *Ring) MakeRoom(full ring.WhenFull, n uint64) (Claim, error) {
	for range r.Capacity() / recordBytes {
		c, err := r.Reserve(n)
		if err != ring.ErrFull || full == ring.WaitForRoom {
			return c, err
		}
		if full == ring.DropNewest {
			r.Shared.Counters.Dropped.Add(1)
			return Claim{}, ring.ErrDropped
		}
		if err := r.dropOldest(); err != nil {
			return Claim{}, err
		}
	}
	return Claim{}, ring.ErrFull
}

// dropOldest takes out the oldest message, if it is still there.
//
// Errors: [ring.ErrFull] when another process is at work on it, or on what was taken before it: to
// drop it would make no room; [ErrBusy], [lock.ErrClosed], [segment.ErrCorrupt].
//
// What a death leaves behind: a record that counts as abandoned instead of dropped, or as neither.
func (r *Ring) dropOldest() error {
	old, _, err := r.claimFront(true)
	switch {
	case err == nil:
	case err == ring.ErrEmpty, errors.Is(err, ring.ErrClosed):
		return nil // there is something new to see
	case err == ring.ErrHeld:
		return ring.ErrFull
	default:
		return err
	}
	if err := r.Release(old); err != nil {
		return err
	}
	crashpoint.Here("bytes.dropped")
	r.Shared.Counters.Dropped.Add(1)
	r.Tasks.Notify()
	return nil
}

// Joined reports whether a Join is over. When it is not, held is the process that is writing the
// oldest message, if one is.
func (r *Ring) Joined() (over bool, held proctab.Owner, err error) {
	err = r.locked(r.GetLock, func() error {
		if err := r.sweep(); err != nil {
			return err
		}
		p, tail := r.head.take.Load(), r.head.tail.Load()
		if p == tail {
			over = true
			return nil
		}
		if _, w, ok := r.at(p, tail); ok && w&recKinds == recWriting {
			held = recOwner(w)
		}
		return nil
	})
	switch {
	case err != nil: // ErrBusy, too
		return true, ring.Nobody, err
	case r.Closer.Closed():
		return true, ring.Nobody, r.Closer.Err()
	case !over:
		return false, held, nil
	}
	// While nothing is put, counts of tasks only fall.
	for range r.Tasks.Unfinished {
		return false, ring.Nobody, nil
	}
	return r.head.take.Load() == r.head.tail.Load(), ring.Nobody, r.Concluded(nil)
}
