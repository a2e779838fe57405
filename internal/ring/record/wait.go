package record

import (
	"context"
	"errors"
	"sync"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
)

// A waiter is one blocked Put or Get. It is reused, with its functions, so that waiting allocates
// nothing.
type waiter struct {
	r        *Ring
	n        uint64 // bytes of the message to put
	full     ring.WhenFull
	c        Claim // when it is over
	held     proctab.Owner
	err      error
	put, get func() bool
	extra    func(*lock.Watch)
}

var waiters = sync.Pool{New: func() any {
	w := new(waiter)
	w.put = func() bool {
		if w.c, w.err = w.r.MakeRoom(w.full, w.n); w.err != ring.ErrFull {
			return true
		}
		w.held = w.r.Holder()
		return false
	}
	w.get = func() bool {
		w.c, w.held, w.err = w.r.ClaimNext()
		return w.err != ring.ErrEmpty && w.err != ring.ErrHeld
	}
	w.extra = func(l *lock.Watch) { w.full.Watch(l, w.held) }
	return w
}}

func (r *Ring) newWaiter() *waiter {
	w := waiters.Get().(*waiter)
	w.r, w.full, w.c, w.held, w.err = r, ring.WaitForRoom, Claim{}, ring.Nobody, nil
	return w
}

// Holder is the process that is at work on the oldest record, so that its death makes room;
// ring.Nobody, when there is none.
func (r *Ring) Holder() proctab.Owner {
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

// AwaitRoom claims a record for a message of n bytes, and waits for room until ctx ends. The holder
// is the process that kept it waiting last, if there was one.
func (r *Ring) AwaitRoom(ctx context.Context, policy wait.Policy, full ring.WhenFull, n uint64) (c Claim, holder proctab.Owner, err error) {
	w := r.newWaiter()
	w.n, w.full = n, full
	return w.await(ctx, policy, &r.Producers, &r.Consumers, w.put)
}

// AwaitMessage claims the oldest message, and waits for one until ctx ends. The holder is the
// process that was writing the oldest message at the last look, if there was one.
func (r *Ring) AwaitMessage(ctx context.Context, policy wait.Policy) (c Claim, holder proctab.Owner, err error) {
	w := r.newWaiter()
	c, holder, err = w.await(ctx, policy, &r.Consumers, &r.Producers, w.get)
	if err == nil {
		r.Consumers.Adapt(r.head.take.Load() != r.head.tail.Load())
	}
	return c, holder, err
}

// await waits until ready reports that w is over, and makes w free to be used again.
func (w *waiter) await(ctx context.Context, policy wait.Policy, s, other *ring.SpinWait, ready func() bool) (Claim, proctab.Owner, error) {
	r := w.r
	err := ErrBusy
	for err == ErrBusy {
		if err = s.Await(ctx, policy, other, ready, w.extra, &r.Shared.Counters); err == nil {
			err = w.err
		}
		if err == ErrBusy {
			err = r.pass(ctx)
		}
	}
	c, holder := w.c, w.held
	w.r, w.c = nil, Claim{}
	waiters.Put(w)
	// This one may have used up a wake-up that was meant for another one, too: records are
	// published in one order, and can be taken in another; and room for one message may be enough
	// for several. Where all records are taken, there is none.
	if err != nil || s == &r.Producers || r.head.take.Load() != r.head.tail.Load() {
		s.Event.Notify()
	}
	return c, holder, err
}

// pass waits, until ctx ends, for the processes that hold up the queue: a waiter for a message, or
// for room, would not be told when they go on. It returns ErrBusy when none does any more.
func (r *Ring) pass(ctx context.Context) error {
	for _, m := range []*lock.Mutex{r.PutLock, r.GetLock} {
		err := m.Lock(ctx)
		if err != nil && errors.Is(err, context.Cause(ctx)) {
			return err
		}
		if err := r.entered(m, err); err != nil {
			return err
		}
		if !m.TryUnlock() {
			return r.Corrupt()
		}
	}
	return ErrBusy
}

// Join waits until all messages have been taken and are done, or until ctx ends; see [ring.Tasks].
func (r *Ring) Join(ctx context.Context) error {
	err := ErrBusy
	for err == ErrBusy {
		if err = r.Tasks.Join(ctx, r.Joined); err == ErrBusy {
			err = r.pass(ctx)
		}
	}
	return err
}
