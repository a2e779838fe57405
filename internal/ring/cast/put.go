package cast

import (
	"context"
	"errors"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Claim is what a put asks for: room, and how to wait for it.
type Claim struct {
	Policy wait.Policy
	Try    bool // do not wait: [ring.ErrFull]

	// Slow is the process of the reader that was in the way of a claim which failed. Lag is how
	// many messages that reader has not read.
	Slow proctab.Owner
	Lag  uint64
}

// HasRoom reports whether there is known to be room for a message of fixed size, and this process
// is the one writer. Where processes take turns it always has to Claim.
func (r *Ring) HasRoom() bool { return r.turns == nil && r.put.next != r.put.limit }

// Next is the position of the next message of this process, which is the writer.
func (r *Ring) Next() uint64 { return r.put.next }

// Lags reports whether a reader was behind at the last look.
func (r *Ring) Lags() bool { return r.put.lags }

// Begin announces the messages of fixed size before end, for which there is room. It reports false
// when the broadcast or the segment is closed; Refuse must follow.
//
// A writer announces a message before it looks whether the broadcast is closed. A process that has
// closed it issues a membarrier, and so does a reader that finds it closed, once. So either the
// writer sees that it is closed, or the readers that a message is on its way. In the same way a
// close of the segment waits for the message, or the writer sees it.
func (r *Ring) Begin(end uint64) bool {
	ring.StoreRelease(&r.putting, 1)
	ring.Announce(&r.head.begun, end)
	// SYNC: latest: what was published is visible before the next message is written
	cpu.StoreFence()
	crashpoint.Here("cast.begun")
	return r.Shared.ClosedBy.Load() == 0 && !r.Closer.Closed()
}

// Refuse takes back what Begin has announced, and says why.
//
// Errors: [ring.ErrClosed], [lock.ErrClosed].
func (r *Ring) Refuse() error {
	err := r.ErrClosed()
	if r.Closer.Closed() {
		err = r.Closer.Err()
	}
	r.withdraw()
	return err
}

// withdraw takes back what Begin has announced, and leaves.
func (r *Ring) withdraw() {
	ring.StoreRelease(&r.head.begun, r.put.next)
	crashpoint.Here("cast.aborted")
	ring.StoreRelease(&r.putting, 0)
	r.News.Event.NotifyAll() // readers that find the broadcast closed may wait for this
	r.leave()
}

// Publish makes what lies before end visible, which is begun, and wakes the readers. The store of
// the tail is the commit point of a put.
func (r *Ring) Publish(end uint64) {
	crashpoint.Here("cast.written")
	r.filled.ReleaseMerge()
	r.put.next = end
	// SYNC: tail: the messages are written before it says so.
	ring.StoreRelease(&r.head.tail, end)
	crashpoint.Here("cast.published")
	ring.StoreRelease(&r.putting, 0)
	// Before the lock is given back: when the process is killed in between, the next writer is told
	// of the death, and wakes the readers. Else it could wait for one that sleeps.
	if !r.News.Event.Quiet() {
		r.News.Event.NotifyAll()
	}
	if r.turns != nil {
		r.leave()
	}
}

// Claim makes this process the one that writes, and finds room for need positions. It returns the
// position of the message. The caller begins the message, or leaves.
//
// Errors: [ring.ErrFull], with Try; [ring.ErrDropped], [ring.ErrClosed], [ring.ErrRoleTaken],
// [ring.ErrReserved], [lock.ErrClosed], [segment.ErrCorrupt], the context's error.
func (r *Ring) Claim(ctx context.Context, c *Claim, need uint64) (at uint64, err error) {
	if err := r.enter(ctx, c.Try); err != nil {
		return 0, err
	}
	if err := r.findRoom(ctx, c, need); err != nil {
		return 0, err
	}
	return r.put.next, nil
}

// Batch is how many of n messages of fixed size can be begun at once. It is never the whole ring,
// so that the latest message stays whole when the process dies.
func (r *Ring) Batch(n int) uint64 {
	p := &r.put
	return min(p.limit-p.next, uint64(n), r.Capacity()/2)
}

// findRoom finds room as the broadcast, and the claim, want it, or leaves.
func (r *Ring) findRoom(ctx context.Context, c *Claim, need uint64) error {
	if p := &r.put; p.limit-p.next >= need {
		return nil
	}
	err := r.makeRoom(ctx, c, need)
	if err != nil {
		c.Slow, c.Lag = r.Slowest()
		r.leave()
	}
	return err
}

func (r *Ring) makeRoom(ctx context.Context, c *Claim, need uint64) error {
	p := &r.put
	if c.Try || r.traits.Full == ring.DropNewest {
		err := r.room(need, false)
		if err == ring.ErrFull && !c.Try {
			r.Shared.Counters.Dropped.Add(1)
			err = ring.ErrDropped
		}
		return err
	}
	p.need = need
	if p.ready() {
		return p.err
	}
	if err := r.Room.Await(ctx, c.Policy, &r.News, p.ready, r.watch, &r.Shared.Counters); err != nil {
		return err
	}
	if p.err == nil {
		r.Room.Adapt(p.limit-p.next > need)
	}
	return p.err
}

// tryTurns is how often a put that does not wait asks for the writers' lock.
const tryTurns = 64

// enter makes this process the writer: for good, or until leave.
func (r *Ring) enter(ctx context.Context, try bool) error {
	p := &r.put
	switch {
	case r.Closer.Closed():
		return r.Closer.Err()
	case r.Closed():
		return r.Concluded(r.ErrClosed())
	case r.turns != nil:
		return r.enterTurn(ctx, try)
	case p.open:
		return ring.ErrReserved
	case p.owned:
		return nil
	}
	if err := r.TakeRole(&r.head.writer, "writer", lock.RolePut); err != nil {
		return err
	}
	r.adopt(true) // wakes readers that sleep: they watch this process from now on
	p.owned = true
	crashpoint.Here("cast.entered")
	return nil
}

// enterTurn locks the writers' lock.
func (r *Ring) enterTurn(ctx context.Context, try bool) error {
	err := r.lockTurn(ctx, try)
	died := errors.Is(err, lock.ErrOwnerDied)
	if err != nil && !died {
		return err
	}
	r.adopt(died)
	if died && !r.turns.TryMarkConsistent() {
		return r.Closer.Err()
	}
	return nil
}

func (r *Ring) lockTurn(ctx context.Context, try bool) error {
	if !try {
		return r.turns.Lock(ctx)
	}
	for range tryTurns {
		if err := r.turns.TryLock(); err != lock.ErrLocked {
			return err
		}
		cpu.Pause(tryPause)
	}
	return r.Concluded(ring.ErrFull)
}

// tryPause is how long it waits between two times, in units of cpu.Pause.
const tryPause = 8

// adopt takes over what the last writer has left.
//
// What the death of a writer leaves behind, and what becomes of it:
//
//	the role, or the lock                the next writer takes it
//	a limit that is too high             the next writer does not go by it
//	a message that is begun              it counts as abandoned, and is written over
//	a message that is published, which   readers of one writer sleep on its life, too, and are woken by
//	no reader was woken for              its death; with many the next writer wakes them
//	the word of a writer without room    readers wake a sleeper that is not there, once
func (r *Ring) adopt(died bool) {
	p := &r.put
	tail, limit := r.head.tail.Load(), r.head.limit.Load()
	if limit-tail > r.Capacity() {
		limit, died = tail, true // garbage
	}
	p.next, p.limit, p.public = tail, limit, limit
	if died {
		p.limit = tail
	}
	if begun := r.head.begun.Load(); begun != tail {
		lost := begun - tail
		if r.longest != 0 || lost > r.Capacity() {
			lost = 1
		}
		ring.StoreRelease(&r.head.begun, tail)
		crashpoint.Here("cast.forgotten")
		r.Shared.Abandoned.Add(lost)
	}
	if died { // readers may wait for a message that is not coming, or may have been told of none
		r.News.Event.NotifyAll()
	}
}

// leave lets another process write, where processes take turns.
func (r *Ring) leave() {
	if r.turns == nil {
		return
	}
	r.put.limit = r.put.next // the next put has to enter
	r.turns.TryUnlock()      // it reports false when the segment was closed meanwhile
	crashpoint.Here("cast.left")
}

// Reserve keeps the place of the message that is begun until Commit or Abort. End is where it ends.
func (r *Ring) Reserve(end uint64) {
	p := &r.put
	p.room, p.limit = p.limit, p.next // the next put has to enter, and is refused
	p.end, p.open = end, true
	// it is no reason to wait: the caller that has reserved it may be waiting, too
	ring.StoreRelease(&r.putting, 0)
}

// Commit publishes the message that was written in place at a position.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) Commit(position uint64) error {
	if err := r.endReservation(position); err != nil {
		return err
	}
	r.Publish(r.put.end)
	return nil
}

// Abort ends a reservation without a message.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) Abort(position uint64) error {
	if err := r.endReservation(position); err != nil {
		return err
	}
	r.uncount()
	r.withdraw()
	return nil
}

// endReservation ends a reservation. When it returns nil, a close of the segment waits until the
// place is published or given back.
func (r *Ring) endReservation(position uint64) error {
	p := &r.put
	if !p.open || position != p.next {
		return ring.ErrNotHeld
	}
	ring.Announce(&r.putting, 1)
	if r.Closer.Closed() {
		ring.StoreRelease(&r.putting, 0) // the place dies with the attachment
		return r.Closer.Err()
	}
	p.open, p.limit = false, p.room
	return nil
}
