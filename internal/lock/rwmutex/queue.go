package rwmutex

import (
	"context"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
)

// awaitTurn waits until the caller is let in, or has to look itself.
//
// Errors: errOrphaned; [lock.ErrClosed], the context's error.
func (l *Lock) awaitTurn(ctx context.Context) error {
	g := l.queue.join()
	err := l.queueOrLead(ctx, g)
	if l.queue.end(g) {
		return nil
	}
	return err
}

// queueOrLead waits until g is let in, or leads all readers of this process that wait.
func (l *Lock) queueOrLead(ctx context.Context, g *readerWaiter) error {
	leads, err := l.leading.Lead(ctx, l.party.Closer, g.in)
	if !leads {
		return err
	}
	l.leader, l.doubtful, l.orphaned = g, false, false
	err = l.opened.Await(ctx, l.policy, l.look, l.watchWriter)
	if err == nil && l.orphaned {
		err = errOrphaned
	} else if err != nil {
		l.cancelTurn()
	}
	l.leading.Leave()
	return err
}

// look lets all waiting readers in, or reports true when they have to look themselves.
func (l *Lock) look() bool {
	// A reader that came later and found the cell open for a moment has let the leader in, too.
	if l.queue.has(l.leader) || l.enter(0) {
		return true
	}
	l.requestTurn()
	l.orphaned = l.doubtful && !l.writers.HasLiveHolder()
	l.doubtful = false
	return l.orphaned
}

// requestTurn asks for a turn.
func (l *Lock) requestTurn() {
	w := l.cell.Load()
	if w&(cellBlocked|cellWaits) == cellBlocked && l.cell.CompareAndSwap(w, w|cellWaits) {
		crashpoint.Here("rwmutex.waits")
	}
}

// cancelTurn takes back what requestTurn has asked, when only the caller waits.
func (l *Lock) cancelTurn() {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	if len(l.queue.waiting) > 1 {
		return
	}
	if l.cell.Load()&cellWaits != 0 {
		l.cell.And(^uint64(cellWaits))
		crashpoint.Here("rwmutex.forgone")
		l.drained.NotifyAll() // a writer may let it pass just now
	}
}

// watchWriter has readers sleep on the life of the holder of writers.
func (l *Lock) watchWriter(w *lock.Watch) {
	if l.writers.WatchHolder(w) {
		l.doubtful = true
	}
}

// A readerQueue is the readers of one process that wait for a writer to leave. They go in together.
type readerQueue struct {
	mu      sync.Mutex
	waiting []*readerWaiter // in no order
}

// A readerWaiter is one waiting reader.
type readerWaiter struct {
	in       chan struct{} // gets a token when the readerWaiter is let in
	at       int           // where among the waiting; guarded by mu
	admitted bool          // guarded by mu
}

var readerWaiters = sync.Pool{New: func() any { return &readerWaiter{in: make(chan struct{}, 1)} }}

func (c *readerQueue) join() *readerWaiter {
	g := readerWaiters.Get().(*readerWaiter)
	c.mu.Lock()
	g.at, g.admitted = len(c.waiting), false
	c.waiting = append(c.waiting, g)
	c.mu.Unlock()
	return g
}

// has reports whether g was let in.
func (c *readerQueue) has(g *readerWaiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return g.admitted
}

// end ends the wait of g, which is not used after that, and reports whether it was let in.
func (c *readerQueue) end(g *readerWaiter) (admitted bool) {
	c.mu.Lock()
	if admitted = g.admitted; !admitted {
		last := len(c.waiting) - 1
		c.waiting[g.at] = c.waiting[last]
		c.waiting[g.at].at = g.at
		c.waiting[last] = nil
		c.waiting = c.waiting[:last]
	}
	c.mu.Unlock()
	select {
	case <-g.in: // it was not taken
	default:
	}
	readerWaiters.Put(g)
	return admitted
}

// admitAll lets all in. The caller has mu, and has counted them.
func (c *readerQueue) admitAll() {
	for i, g := range c.waiting {
		g.admitted = true
		g.in <- struct{}{}
		c.waiting[i] = nil
	}
	c.waiting = c.waiting[:0]
}
