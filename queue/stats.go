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
	// Abandoned is how many messages died with their process: it was killed while it wrote or
	// copied them. A process that is killed just when it frees the slot of another dead one may
	// leave it uncounted.
	Abandoned uint64
	// Dropped is how many messages were dropped because the queue was full; see [WhenFull]. The
	// newest are not counted in Put, the oldest are, and in Got.
	Dropped uint64
	// Bytes is the size of the messages of Put together.
	Bytes uint64
	// Waits is how often a caller was going to sleep, for room or for a message.
	Waits uint64
	// HighWater is the most messages that were seen in the queue at once. It is sampled: by
	// producers that find no room, by Stats, and now and then by the consumer of an [SPSC], and the
	// producers of a [Queue].
	HighWater uint64
	// Readers is how many readers of living processes a broadcast waits for.
	Readers int
	// Expelled is how many readers of a broadcast were expelled; see [Options.Patience].
	Expelled uint64
}

// add fills in what does not depend on the kind of the queue. Values have type t.
func (s *Stats) add(t *ring.Counters, value reflect.Type) {
	s.Bytes = s.Put * uint64(value.Size())
	s.Dropped, s.Waits, s.HighWater = t.Dropped.Load(), t.Waits.Load(), t.HighWater.Load()
}

func init() {
	ring.CountersOf = func(q any) *ring.Counters { return q.(interface{ counters() *ring.Counters }).counters() }
}

func (q *Queue[T]) counters() *ring.Counters { return &q.r.Shared.Counters }

// Stats returns the counts. They cost the queue nothing: they are the positions of its ends.
func (q *Queue[T]) Stats() Stats {
	put, got := q.seen.Counts()
	c := &q.seen.Shared.Counters
	if !q.o.ReadOnly() {
		c.ObserveDepth(put - got)
	}
	s := Stats{Put: put, Got: got, Abandoned: q.seen.Shared.Abandoned.Load()}
	s.add(c, reflect.TypeFor[T]())
	if q.o.Vanished() {
		s = Stats{}
	}
	runtime.KeepAlive(q)
	return s
}
