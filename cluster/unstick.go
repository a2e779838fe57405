package cluster

import (
	"errors"
	"time"
)

// errTakenBack ends the context of a task that waits in the pool of a host, for another host to
// have it.
var errTakenBack = errors.New("cluster: another host is to run the task")

// unstick gives back the tasks that wait while all workers run long ones: another host may have a
// worker for them. h.mu is held.
func (h *host) unstick(now time.Time) {
	if h.o.ReadAhead > 0 { // the tasks that wait are wanted here
		return
	}
	long := 0
	var waiting, inPool []*held
	for _, t := range h.held {
		switch since, runs := t.runs(); {
		case t.done:
		case runs && now.Sub(since) > extendInterval:
			long++
		case t.watch != nil && !runs && now.Sub(t.begun) > extendInterval:
			inPool = append(inPool, t)
		}
	}
	if h.stuck = min(long, h.workers); h.stuck < h.workers {
		return
	}
	for _, t := range h.todo {
		if !t.done && !t.dropped {
			waiting = append(waiting, t)
		}
	}
	h.todo = nil
	h.giveBack(waiting)
	for _, t := range inPool {
		t.cancel(errTakenBack)
	}
}

// runs reports whether a worker runs the task, and since when. h.mu is held.
func (t *held) runs() (since time.Time, ok bool) {
	if t.watch == nil {
		return t.begun, false
	}
	b, ok := t.watch()
	return b.At, ok
}
