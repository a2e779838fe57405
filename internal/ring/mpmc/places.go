package mpmc

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// MakeRoom is ClaimPut that does what the policy says when the queue is full.
//
// Errors: those of ClaimPut, and [ring.ErrDropped].
func (r *Ring) MakeRoom(full ring.WhenFull) (s *Slot, p uint64, held proctab.Owner, err error) {
	for range r.tries() {
		s, p, held, err = r.ClaimPut()
		if err == ring.ErrFull {
			r.Shared.Counters.ObserveDepth(r.Capacity())
		}
		switch {
		case full == ring.DropNewest && (err == ring.ErrFull || err == ring.ErrHeld):
			r.Shared.Counters.Dropped.Add(1)
			return nil, 0, ring.Nobody, ring.ErrDropped
		case full == ring.DropOldest && err == ring.ErrFull:
			if err = r.dropOldest(); err == nil {
				continue
			}
		}
		return s, p, held, err
	}
	return nil, 0, ring.Nobody, r.Corrupt()
}

// dropOldest takes out the oldest message, if it is still there and no other process is at work on
// it.
//
// What a death leaves behind: a slot that counts as abandoned instead of dropped, or as neither.
func (r *Ring) dropOldest() error {
	s, p, _, err := r.claimGet()
	switch {
	case err == nil:
	case isOver(err), err == ring.ErrHeld:
		return nil // there is something new to see
	default:
		return err
	}
	if err := r.Release(s, p); err != nil {
		return err
	}
	crashpoint.Here("queue.dropped")
	r.Shared.Counters.Dropped.Add(1)
	r.Tasks.Notify()
	return nil
}

// Joined reports whether a Join is over. When it is not, held is the process that is writing the
// oldest message, if there is one.
func (r *Ring) Joined() (over bool, held proctab.Owner, err error) {
	for range r.tries() {
		if r.Closer.Closed() {
			return true, ring.Nobody, r.Closer.Err()
		}
		p, held, err := r.Front()
		switch {
		case err == nil || err == ring.ErrHeld:
			return false, held, nil
		case !isOver(err):
			return true, ring.Nobody, err
		}
		crashpoint.Here("queue.join.empty")
		for range r.Tasks.Unfinished {
			return false, ring.Nobody, nil
		}
		// While nothing is put, counts of tasks only fall. So if nothing was, then now no process
		// has a task.
		if stageOf(r.slot(p).state.Load(), r.lap(p)) <= isEmpty {
			return true, ring.Nobody, r.Concluded(nil)
		}
	}
	return true, ring.Nobody, r.Corrupt()
}

// Keep notes that a caller has a claim for as long as it likes: a close of the segment does not
// wait for it.
func (r *Ring) Keep() { r.open.Add(1) }

// Commit publishes the message at a position, which was written in place.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) Commit(p uint64) error {
	if err := r.endClaim(p, writing); err != nil {
		return err
	}
	r.Publish(r.slot(p), p)
	return nil
}

// Abort gives back the place at a position without a message.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) Abort(p uint64) error {
	if err := r.endClaim(p, writing); err != nil {
		return err
	}
	r.withdraw(r.slot(p), r.lap(p))
	return nil
}

// EndPeek takes the message at a position out of the queue, which was read in place.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) EndPeek(p uint64) error {
	if err := r.endClaim(p, reading); err != nil {
		return err
	}
	return r.Release(r.slot(p), p)
}

// endClaim begins the end of a claim that a caller has had. When it returns nil, a close of the
// segment waits for that.
func (r *Ring) endClaim(p uint64, phase uint64) error {
	if r.slot(p).state.Load() != wordOf(phase, r.Me, r.lap(p)) {
		return r.Concluded(ring.ErrNotHeld)
	}
	r.open.Add(-1)
	if r.Closer.Closed() {
		r.open.Add(1) // no process has to wait for it: it dies with the attachment
		return r.Closer.Err()
	}
	return nil
}
