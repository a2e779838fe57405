package queue

import (
	"math/bits"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// An mpmcRing is one process's view of the slots of a Queue, whatever their values are.
// All handles of the process share it. What it knows of the geometry is checked once,
// and not read from shared memory again.
type mpmcRing struct {
	head   *ringHead
	first  *byte  // of the slots
	mask   uint64 // capacity - 1
	shift  uint   // log2 of the capacity
	stride uintptr
	ring.View
	seg  *segment.Segment
	over error // an [ErrClosed] that names the queue

	puts end // who puts searches here
	gets end

	producers ring.SpinWait // wait for room
	consumers ring.SpinWait // wait for messages

	open   atomic.Int32 // how many claims of this process are reservations, or messages that are looked at
	tasks  *ring.Tasks  // nil: not joinable
	sample uint64       // the high-water mark is looked at where position&sample is 0

	// For the race detector, which does not see mapped memory.
	filled race.Shadow // a put comes before the get of its message
	freed  race.Shadow // a get comes before the put that uses the slot next
}

const (
	// sampleEvery is how many messages are put, at least, from one look at the high-water mark to the next.
	sampleEvery = 64

	// The sorts of queues.
	plain, joinable = 0, 1
)

// strideOf is the distance of two slots with values of that size.
func strideOf(size int) uintptr { return (uintptr(size) + slotHeadBytes + 7) &^ 7 }

// viewRing checks what an object's head says against the object's size.
func viewRing(o *segment.Object, size int) (*mpmcRing, error) {
	stride := strideOf(size)
	capacity, rest, err := ring.Layout{Head: headBytes, Stride: stride, Min: 1, Max: ring.MaxCapacity}.Capacity(o)
	if err != nil {
		return nil, err
	}
	head := headIn(o.Payload)
	sort, processes := head.sort, o.Seg.Table().Len()
	if sort != plain && sort != joinable || sort == plain && rest != 0 ||
		sort == joinable && int64(len(o.Payload)) != ringBytes(capacity, stride, processes) {
		return nil, ring.Damaged(o)
	}
	r := &mpmcRing{
		View:   ring.NewView(o, "queue"),
		head:   head,
		first:  &o.Payload[headBytes],
		mask:   capacity - 1,
		shift:  uint(bits.TrailingZeros64(capacity)),
		stride: stride,
		seg:    o.Seg,
		over:   &ring.ClosedError{Name: o.Name, Path: o.Seg.Path()},
		puts:   end{hint: &head.put, every: min(hintEvery, capacity) - 1, passed: isWriting},
		gets:   end{hint: &head.get, every: min(hintEvery, capacity) - 1, passed: isReading},
		sample: max(capacity, sampleEvery) - 1,
	}
	r.producers.Bind(o, head.notFull[:], lock.RolePut)
	r.consumers.Bind(o, head.notEmpty[:], lock.RoleGet)
	if sort == joinable {
		r.tasks = ring.NewTasks(o, head.joiners[:], o.Payload[len(o.Payload)-ring.TasksSize(processes):])
	}
	return r, nil
}

// ringBytes is how large a queue with that many slots is, and with seats, if it is joinable.
func ringBytes(capacity uint64, stride uintptr, seats int) int64 {
	n := int64(headBytes + capacity*uint64(stride))
	if seats > 0 {
		n = int64(ring.TasksAt(int(n)) + ring.TasksSize(seats))
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
	r := mpmcRing{first: &mem[headBytes], mask: capacity - 1, shift: uint(bits.TrailingZeros64(capacity)), stride: stride}
	for p := start; p != start+capacity; p++ {
		r.slot(p).state.Store(wordOf(empty, ring.Nobody, r.lap(p)))
	}
}

func (r *mpmcRing) capacity() uint64 { return r.mask + 1 }

// slot is where the message of a position goes.
func (r *mpmcRing) slot(p uint64) *slot { return slotAt(r.first, uintptr(p&r.mask)*r.stride) }

// lap says which time round the ring a position is.
func (r *mpmcRing) lap(p uint64) uint32 { return uint32(p >> r.shift) }

// tries bounds the loops over positions.
func (r *mpmcRing) tries() uint64 { return 2*r.capacity() + ring.Retries }

// corrupt says what it means that words make no sense. When this process lets go of the segment, a part of what it
// sees stands still while the rest moves on.
func (r *mpmcRing) corrupt() error {
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	return r.Corrupt
}

// busy reports whether goroutines of this process have claimed slots, other than to write or read there without
// a copy. Such a claim lasts as long as it takes to copy a message, so it waits for them to end. It gives up on words that others
// have overwritten, after a second.
func (r *mpmcRing) busy() bool {
	return !ring.WaitQuiescent(func() bool { return r.claims(r.Me) <= max(r.open.Load(), 0) })
}

// claims counts the slots that a process has claimed.
func (r *mpmcRing) claims(o proctab.Owner) (n int32) {
	for p := range r.capacity() {
		w := r.slot(p).state.Load()
		if phase := phaseOf(w); (phase == writing || phase == reading) && ownerOf(w) == o {
			n++
		}
	}
	return n
}
