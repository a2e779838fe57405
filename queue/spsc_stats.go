package queue

import (
	"reflect"
	"runtime"
)

// Stats returns the counts. They cost the queue next to nothing: most are the positions of its ends.
func (q *SPSC[T]) Stats() Stats {
	h := q.r.head
	abandoned := h.abandoned.Load()
	n, _ := q.r.length()
	h.tally.ObserveDepth(n)
	got := h.read.Load() + abandoned
	s := Stats{Put: got + n, Got: got, Abandoned: abandoned}
	s.add(&h.tally, reflect.TypeFor[T]())
	runtime.KeepAlive(q)
	return s
}
