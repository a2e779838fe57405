package queue

import (
	"reflect"
	"runtime"

	"github.com/shmkit/shmkit/internal/ring"
)

// Stats say what has happened to a queue since it was made, in all processes.
type Stats struct {
	// Put is how many messages were begun, the abandoned ones included.
	Put uint64
	// Got is how many of those are not in the queue any more, the abandoned ones included.
	Got uint64
	// Abandoned is how many messages died with their process: it was killed while it wrote or copied
	// them. A process that is killed just when it frees the slot of another dead one may leave it uncounted.
	Abandoned uint64
	// Dropped is how many messages were dropped because the queue was full; see [WhenFull]. The newest are
	// not counted in Put, the oldest are, and in Got.
	Dropped uint64
	// Bytes is the size of the messages of Put together.
	Bytes uint64
	// Waits is how often somebody was going to sleep for room, or for a message.
	Waits uint64
	// HighWater is the most messages that were seen in the queue at once. It is sampled: by producers that find no room, by
	// Stats, and now and then by those who take messages out of an [SPSC], or put them into a [Queue].
	HighWater uint64
}

// add fills in what does not depend on the kind of the queue. Values have type t.
func (s *Stats) add(t *ring.Counters, value reflect.Type) {
	s.Bytes = s.Put * uint64(value.Size())
	s.Dropped, s.Waits, s.HighWater = t.Dropped.Load(), t.Waits.Load(), t.HighWater.Load()
}

// Stats returns the counts. They cost the queue nothing: they are the positions of its ends.
func (q *Queue[T]) Stats() Stats {
	s := q.r.stats()
	q.r.head.tally.ObserveDepth(s.Put - s.Got)
	s.add(&q.r.head.tally, reflect.TypeFor[T]())
	runtime.KeepAlive(q)
	return s
}

// Len is how many messages are in the queue, those included that are being written.
// While others are at work it is out of date when it is returned.
func (q *Queue[T]) Len() int {
	s := q.r.stats()
	runtime.KeepAlive(q)
	return int(s.Put - s.Got)
}

// Cap is how many messages the queue can hold: the capacity that was asked for, rounded up to a power of two.
func (q *Queue[T]) Cap() int { return int(q.r.capacity()) }

// stats reads the two ends so that they fit together.
func (r *mpmcRing) stats() Stats {
	for range ring.Retries {
		got, _ := r.next(&r.gets)
		put, _ := r.next(&r.puts)
		if n := put - got; n <= r.capacity() {
			return Stats{Put: put, Got: got, Abandoned: r.head.abandoned.Load()}
		}
	}
	// Others are too fast, or the positions make no sense.
	put := r.puts.from()
	return Stats{Put: put, Got: put, Abandoned: r.head.abandoned.Load()}
}
