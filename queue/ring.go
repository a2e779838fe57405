package queue

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A ring is one process's view of the slots of a Queue, whatever their values are.
// All handles of the process share it. What it knows of the geometry is checked once,
// and not read from shared memory again.
type ring struct {
	head   *ringHead
	first  *byte  // of the slots
	mask   uint64 // capacity - 1
	shift  uint   // log2 of the capacity
	stride uintptr
	me     proctab.Owner
	table  *proctab.Table
	seg    *segment.Segment
	bad    error        // an [shm.ErrCorrupt] that names the queue
	over   error        // an [ErrClosed] that names the queue
	closer *wait.Closer // of this process's attachment to the segment

	puts end // who puts searches here
	gets end

	producers side // wait for room
	consumers side // wait for messages

	open   atomic.Int32 // how many claims of this process are reservations, or messages that are looked at
	tasks  *tasks       // nil: not joinable
	sample uint64       // the high-water mark is looked at where position&sample is 0

	// For the race detector, which does not see mapped memory.
	filled race.Shadow // a put comes before the get of its message
	freed  race.Shadow // a get comes before the put that uses the slot next
}

// errHeld says that a living process is at work on the slot that comes next. Callers of the package never see it.
var errHeld = errors.New("queue: the next slot is held")

const (
	// maxCapacity and maxBytes keep sums and products of sizes far from overflow.
	maxCapacity = 1 << 30
	maxBytes    = 1 << 46

	// patience is how often an operation tries, beyond two times round the ring, while
	// others are faster each time. Words that make sense never keep it busy for so long.
	patience = 1 << 16

	// sampleEvery is how many messages are put, at least, from one look at the high-water mark to the next.
	sampleEvery = 64

	// The sorts of queues.
	plain, joinable = 0, 1
)

// strideOf is the distance of two slots with values of that size.
func strideOf(size int) uintptr { return (uintptr(size) + slotHeadBytes + 7) &^ 7 }

// slotsFor is the real capacity of a queue that must hold at least n messages, which lie stride bytes apart: a power of two.
func slotsFor(name string, n int, stride uintptr) (uint64, error) {
	most := min(maxCapacity, maxBytes/uint64(stride))
	slots := uint64(1) << bits.Len64(uint64(max(n, 1))-1)
	if n < 1 || slots > most {
		return 0, segment.Invalid("queue: %q: capacity %d: must be from 1 to %d messages", name, n, most)
	}
	return slots, nil
}

// viewRing checks what an object's head says against the object's size.
func viewRing(o *segment.Object, size int) (*ring, error) {
	if len(o.Payload) < headBytes {
		return nil, damaged(o)
	}
	head, stride := headIn(o.Payload), strideOf(size)
	capacity, seats := head.capacity, 0
	switch head.sort {
	case plain:
	case joinable:
		seats = o.Seg.Table().Len()
	default:
		return nil, damaged(o)
	}
	if capacity == 0 || capacity > maxCapacity || capacity&(capacity-1) != 0 || int64(len(o.Payload)) != ringBytes(capacity, stride, seats) {
		return nil, damaged(o)
	}
	party := o.Party()
	r := &ring{
		head:      head,
		first:     &o.Payload[headBytes],
		mask:      capacity - 1,
		shift:     uint(bits.TrailingZeros64(capacity)),
		stride:    stride,
		me:        o.Seg.Me(),
		table:     o.Seg.Table(),
		seg:       o.Seg,
		bad:       fmt.Errorf("queue: object %q of %s: %w: its words make no sense", o.Name, o.Seg.Path(), shm.ErrCorrupt),
		over:      &closedError{o.Name, o.Seg.Path()},
		closer:    party.Closer,
		puts:      end{hint: &head.put, every: min(hintEvery, capacity) - 1, passed: isWriting},
		gets:      end{hint: &head.get, every: min(hintEvery, capacity) - 1, passed: isReading},
		producers: side{event: lock.NewEventCount(party, head.notFull[:])},
		consumers: side{event: lock.NewEventCount(party, head.notEmpty[:])},
		sample:    max(capacity, sampleEvery) - 1,
	}
	r.producers.event.Target = o.Target(lock.RolePut)
	r.consumers.event.Target = o.Target(lock.RoleGet)
	if seats > 0 {
		r.tasks = newTasks(o, head.joiners[:], o.Payload, int(ringBytes(capacity, stride, 0)))
	}
	return r, nil
}

// ringBytes is how large a queue with that many slots is, and with seats, if it is joinable.
func ringBytes(capacity uint64, stride uintptr, seats int) int64 {
	n := int64(headBytes + capacity*uint64(stride))
	if seats > 0 {
		n = (n+seatBytes-1)/seatBytes*seatBytes + int64(seats)*seatBytes
	}
	return n
}

// fill makes a new queue whose first position is start.
func fill(mem []byte, capacity uint64, stride uintptr, seats int, start uint64) {
	h := headIn(mem)
	h.capacity = capacity
	if seats > 0 {
		h.sort = joinable
	}
	h.put.Store(start)
	h.get.Store(start)
	if start == 0 {
		return // zeros are empty slots of lap 0
	}
	r := ring{first: &mem[headBytes], mask: capacity - 1, shift: uint(bits.TrailingZeros64(capacity)), stride: stride}
	for p := start; p != start+capacity; p++ {
		r.slot(p).state.Store(wordOf(empty, nobody, r.lap(p)))
	}
}

func (r *ring) capacity() uint64 { return r.mask + 1 }

// slot is where the message of a position goes.
func (r *ring) slot(p uint64) *slot { return slotAt(r.first, uintptr(p&r.mask)*r.stride) }

// lap says which time round the ring a position is.
func (r *ring) lap(p uint64) uint32 { return uint32(p >> r.shift) }

// tries bounds the loops over positions.
func (r *ring) tries() uint64 { return 2*r.capacity() + patience }

// gone reports whether nobody is going to finish what the owner of a claim began.
func (r *ring) gone(o proctab.Owner) bool {
	return o == nobody || o != r.me && r.table.Dead(o)
}

// corrupt says what it means that words make no sense. When this process lets go of the segment, a part of what it
// sees stands still while the rest moves on.
func (r *ring) corrupt() error {
	if r.closer.Closed() {
		return shm.ErrClosed
	}
	return r.bad
}

// busy reports whether goroutines of this process have claimed slots, other than to write or read there without
// a copy. Such a claim lasts as long as it takes to copy a message, so it waits for them to end. It gives up on words that others
// have overwritten, after a second.
func (r *ring) busy() bool {
	return !comesToRest(func() bool { return r.claims(r.me) <= max(r.open.Load(), 0) })
}

// comesToRest waits for about a second until resting reports true. It counts looks, as time passes for a stopped process, too.
func comesToRest(resting func() bool) bool {
	pause := 50 * time.Microsecond
	for range 110 {
		if resting() {
			return true
		}
		time.Sleep(pause) // nothing tells when it rests
		pause = min(2*pause, 10*time.Millisecond)
	}
	return false
}

// claims counts the slots that a process has claimed.
func (r *ring) claims(o proctab.Owner) (n int32) {
	for p := range r.capacity() {
		w := r.slot(p).state.Load()
		if phase := phaseOf(w); (phase == writing || phase == reading) && ownerOf(w) == o {
			n++
		}
	}
	return n
}
