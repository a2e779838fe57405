package queue

import "runtime"

// Stats returns the counts. They cost the queue next to nothing: most are the positions of its ends.
func (q *SPSC[T]) Stats() Stats {
	h := q.r.head
	abandoned := h.abandoned.Load()
	n, _ := q.r.length()
	read := h.read.Load()
	runtime.KeepAlive(q)
	return Stats{Put: read + n + abandoned, Got: read + abandoned, Abandoned: abandoned}
}
