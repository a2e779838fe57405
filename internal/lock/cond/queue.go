package cond

import (
	"sync"
	"sync/atomic"
)

// A waiterQueue holds the waiters of this process that were not let go, in the order in which they
// came. All changes that this process makes to its cell happen under mu.
//
// Invariant: the cell's waiting is the length of the queue plus running, and its granted is at
// least running.
type waiterQueue struct {
	mu          sync.Mutex
	first, last *waiter
	running     uint64 // were let go, and have not ended yet: their grants are still in the cell
}

// A waiter is a goroutine that waits. They are reused.
type waiter struct {
	next, prev *waiter
	began      uint32        // number of the last broadcast before it came
	let        bool          // was granted the return
	sent       bool          // and woken says so
	woken      chan struct{} // has room for one
}

// reset makes w ready for its next use. The caller alone has it.
func (w *waiter) reset() {
	if w.sent {
		select {
		case <-w.woken:
		default: // it has received that itself
		}
	}
	w.let, w.sent = false, false
}

// join counts one more waiter, and reports false when there are too many.
func (q *waiterQueue) join(cell *atomic.Uint64, w *waiter, broadcasts *atomic.Uint32) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		s := cell.Load()
		if waitingIn(s) == maxWaiters {
			return false
		}
		// SYNC: cond: a notifier that comes after the waiter has given up the lock sees that it
		// waits.
		if cell.CompareAndSwap(s, s+oneWaiter) { // #1, #2 -> #2; #3, #4 -> #3
			break
		}
	}
	w.began = broadcasts.Load() // a broadcast from here on means this waiter
	w.prev = q.last
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
	return true
}

// distribute lets go as many waiters from the front of the queue as were granted that, and
// reports whether leader is among the waiters that were let go, now or before.
func (q *waiterQueue) distribute(cell *atomic.Uint64, leader *waiter) bool {
	if grantedIn(cell.Load()) == 0 {
		return false // as ever, while a leader spins
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for granted := grantedIn(cell.Load()); granted > q.running && q.first != nil; {
		w := q.first
		q.markGranted(w)
		if w != leader {
			w.sent = true
			w.woken <- struct{}{}
		}
	}
	return leader.let
}

func (q *waiterQueue) markGranted(w *waiter) {
	q.remove(w)
	w.let = true
	q.running++
}

func (q *waiterQueue) remove(w *waiter) {
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev = nil, nil
}

// catchUp grants the return to all waiters that came before the last broadcast and were not granted
// it by a broadcaster that died in the middle of that, or is not through with it yet. It reports
// whether there were any.
func (q *waiterQueue) catchUp(cell *atomic.Uint64, broadcasts uint32) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	meant := uint64(0)
	for w := q.first; w != nil && w.began != broadcasts; w = w.next {
		meant++
	}
	for {
		s := cell.Load()
		missing := min(q.running+meant, waitingIn(s)) - min(grantedIn(s), q.running+meant, waitingIn(s))
		if meant == 0 || missing == 0 {
			return false
		}
		if cell.CompareAndSwap(s, s+missing*oneGrant) { // #2, #3 -> #3, #4
			return true
		}
	}
}

// cancel ends the wait of one that gives up. It reports false when that was granted the return by
// now. When the process is closing, a grant is left to the processes that find it dead.
func (q *waiterQueue) cancel(cell *atomic.Uint64, w *waiter, closing bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.let {
		return false
	}
	for {
		s := cell.Load()
		if unnotified(s) == 0 { // #4: all were notified
			if closing || grantedIn(s) <= q.running {
				break
			}
			q.markGranted(w)
			return false
		}
		if cell.CompareAndSwap(s, s-oneWaiter) { // #2 -> #1, #2; #3 -> #3, #4
			break
		}
	}
	q.remove(w)
	return true
}

// end ends the wait of one that was let go. When the process is closing, its grant is left to the
// processes that find it dead.
func (q *waiterQueue) end(cell *atomic.Uint64, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	for !closing {
		s := cell.Load()
		// what is in shared memory may be garbage
		less := s - min(grantedIn(s), oneGrant)*oneGrant - min(waitingIn(s), 1)*oneWaiter
		// #3, #4 -> one less of each
		if cell.CompareAndSwap(s, less) {
			return
		}
	}
}
