package rwmutex

import (
	"context"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
)

// await waits until the caller is let in, or has to look itself.
//
// Errors: errForsaken; [lock.ErrClosed], the context's error.
func (l *Lock) await(ctx context.Context) error {
	g := l.crowd.join()
	err := l.queue(ctx, g)
	if l.crowd.leave(g) {
		return nil
	}
	return err
}

// queue waits until g is let in, or leads all who wait in this process.
func (l *Lock) queue(ctx context.Context, g *guest) error {
	leads, err := l.leading.Lead(ctx, l.party.Closer, g.in)
	if !leads {
		return err
	}
	l.leader, l.suspects, l.forsaken = g, false, false
	err = l.opened.Await(ctx, l.policy, l.look, l.watchWriter)
	if err == nil && l.forsaken {
		err = errForsaken
	} else if err != nil {
		l.forgo()
	}
	l.leading.Leave()
	return err
}

// look lets in all who wait, or reports true when they have to look themselves.
func (l *Lock) look() bool {
	// A reader that came later and found the cell open for a moment has let the leader in, too.
	if l.crowd.has(l.leader) || l.enter(0) {
		return true
	}
	l.ask()
	l.forsaken = l.suspects && !l.writers.HasLiveHolder()
	l.suspects = false
	return l.forsaken
}

// ask asks for a turn.
func (l *Lock) ask() {
	w := l.cell.Load()
	if w&(cellBlocked|cellWaits) == cellBlocked && l.cell.CompareAndSwap(w, w|cellWaits) {
		crashpoint.Here("rwmutex.waits")
	}
}

// forgo takes back what ask has asked, when only the caller waits.
func (l *Lock) forgo() {
	l.crowd.mu.Lock()
	defer l.crowd.mu.Unlock()
	if len(l.crowd.guests) > 1 {
		return
	}
	if l.cell.Load()&cellWaits != 0 {
		l.cell.And(^uint64(cellWaits))
		crashpoint.Here("rwmutex.forgone")
		l.drained.Notify() // a writer may let it pass just now
	}
}

// watchWriter has readers sleep on the life of whoever has writers.
func (l *Lock) watchWriter(w *lock.Watch) {
	if l.writers.WatchHolder(w) {
		l.suspects = true
	}
}

// A crowd is the readers of one process that wait for a writer to leave. They go in together.
type crowd struct {
	mu     sync.Mutex
	guests []*guest // in no order
}

// A guest is one waiting reader.
type guest struct {
	in       chan struct{} // gets a token when the guest is let in
	at       int           // where among the guests; guarded by mu
	admitted bool          // guarded by mu
}

var guestPool = sync.Pool{New: func() any { return &guest{in: make(chan struct{}, 1)} }}

func (c *crowd) join() *guest {
	g := guestPool.Get().(*guest)
	c.mu.Lock()
	g.at, g.admitted = len(c.guests), false
	c.guests = append(c.guests, g)
	c.mu.Unlock()
	return g
}

// has reports whether g was let in.
func (c *crowd) has(g *guest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return g.admitted
}

// leave ends the wait of g, which is not used after that, and reports whether it was let in.
func (c *crowd) leave(g *guest) (admitted bool) {
	c.mu.Lock()
	if admitted = g.admitted; !admitted {
		last := len(c.guests) - 1
		c.guests[g.at] = c.guests[last]
		c.guests[g.at].at = g.at
		c.guests[last] = nil
		c.guests = c.guests[:last]
	}
	c.mu.Unlock()
	select {
	case <-g.in: // nobody took it
	default:
	}
	guestPool.Put(g)
	return admitted
}

// admit lets all in. The caller has mu, and has counted them.
func (c *crowd) admit() {
	for i, g := range c.guests {
		g.admitted = true
		g.in <- struct{}{}
		c.guests[i] = nil
	}
	c.guests = c.guests[:0]
}
