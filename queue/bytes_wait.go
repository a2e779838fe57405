package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A bytesWaiter is one blocked Put or Get. It is reused, with its functions, so that waiting allocates nothing.
type bytesWaiter struct {
	r        *bytesRing
	n        uint64 // bytes of the message to put
	full     ring.WhenFull
	c        claim // when it is over
	held     proctab.Owner
	err      error
	put, get func() bool
	extra    func(*lock.Watch)
}

var bytesWaiters = sync.Pool{New: func() any {
	w := new(bytesWaiter)
	w.put = func() bool {
		if w.c, w.err = w.r.room(w.full, w.n); w.err != ErrFull {
			return true
		}
		w.held = w.r.holder()
		return false
	}
	w.get = func() bool { w.c, w.held, w.err = w.r.claimNext(); return w.err != ErrEmpty && w.err != ring.ErrHeld }
	w.extra = func(l *lock.Watch) { w.full.Watch(l, w.held) }
	return w
}}

func (r *bytesRing) newWaiter() *bytesWaiter {
	w := bytesWaiters.Get().(*bytesWaiter)
	w.r, w.full, w.c, w.held, w.err = r, ring.WaitForRoom, claim{}, ring.Nobody, nil
	return w
}

// holder is the process that is at work on the oldest record, whose death makes room; ring.Nobody, when there is none.
func (r *bytesRing) holder() proctab.Owner {
	p, tail := r.head.free.Load(), r.head.tail.Load()
	if p == tail {
		return ring.Nobody
	}
	_, w, ok := r.at(p, tail)
	if kind := w & recKinds; !ok || kind != recWriting && kind != recReading {
		return ring.Nobody
	}
	return recOwner(w)
}

// awaitRoom claims a record for a message of n bytes, and waits for room until ctx ends.
func (r *bytesRing) awaitRoom(ctx context.Context, policy wait.Policy, full ring.WhenFull, n uint64) (claim, error) {
	w := r.newWaiter()
	w.n, w.full = n, full
	return w.await(ctx, policy, &r.producers, &r.consumers, w.put)
}

// awaitMessage claims the oldest message, and waits for one until ctx ends.
func (r *bytesRing) awaitMessage(ctx context.Context, policy wait.Policy) (claim, error) {
	w := r.newWaiter()
	c, err := w.await(ctx, policy, &r.consumers, &r.producers, w.get)
	if err == nil {
		r.consumers.Adapt(r.head.take.Load() != r.head.tail.Load())
	}
	return c, err
}

// await waits until ready reports that w is over, and makes w free to be used again.
func (w *bytesWaiter) await(ctx context.Context, policy wait.Policy, s, other *ring.SpinWait, ready func() bool) (claim, error) {
	r := w.r
	err := errBusy
	for err == errBusy {
		if err = s.Await(ctx, policy, other, ready, w.extra, &r.head.tally); err == nil {
			err = w.err
		}
		if err == errBusy {
			err = r.pass(ctx)
		}
	}
	c := w.c
	w.r, w.c = nil, claim{}
	bytesWaiters.Put(w)
	// This one may have used up a wake-up that was meant for another one, too: records are published in one order, and
	// can be taken in another; and room for one message may be enough for several. Where all records are taken, there is none.
	if err != nil || s == &r.producers || r.head.take.Load() != r.head.tail.Load() {
		s.Event.Notify()
	}
	return c, err
}

// pass waits, until ctx ends, for those who hold up the queue: who waits for a message, or for room, would not be told when
// they go on. It returns errBusy when nobody does any more.
func (r *bytesRing) pass(ctx context.Context) error {
	for _, m := range []*lock.Mutex{r.putLock, r.getLock} {
		err := m.Lock(ctx)
		if err != nil && errors.Is(err, context.Cause(ctx)) {
			return err
		}
		if err := r.entered(m, err); err != nil {
			return err
		}
		if !m.TryUnlock() {
			return r.Corrupt
		}
	}
	return errBusy
}

// close closes the queue under putLock, so that whoever sees that it is closed sees all messages that came before.
func (r *bytesRing) close() error {
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	flag := func() error {
		// SYNC: closed: the tail is the last.
		r.head.closed.Store(1)
		crashpoint.Here("bytes.closed")
		return nil
	}
	err := r.locked(r.putLock, flag)
	for try := 0; err == errBusy && try < 100; try++ { // a second, unless the holder is stopped
		time.Sleep(10 * time.Millisecond)
		err = r.locked(r.putLock, flag)
	}
	switch {
	case errors.Is(err, shm.ErrClosed):
		return err
	case err != nil:
		r.head.closed.Store(1) // the message that a stopped process is about to put may come after the end
	}
	if err == errBusy {
		err = nil
	}
	r.consumers.Event.NotifyAll()
	crashpoint.Here("bytes.close.told")
	r.producers.Event.NotifyAll()
	return err
}
