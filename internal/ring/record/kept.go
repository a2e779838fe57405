package record

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
)

// endClosed ends a claim while this process closes the segment. A close that saw the claim waits
// for that. When it has given up, the claim is a dead process's, and is counted as abandoned.
func (r *Ring) endClosed(c Claim, from, to uint64) error {
	if r.Detached() || !c.rec.state.CompareAndSwap(recWord(from, r.Me, c.size), recWord(to, ring.Nobody, c.size)) {
		return r.Closer.Err()
	}
	return r.Reached()
}

// Keep notes that a caller has a claim for as long as it likes: a close of the segment does not
// wait for its end.
func (r *Ring) Keep() { r.open.Add(1) }

// endKept begins the end of a claim that a caller has kept. When it returns nil, a close of the
// segment waits for that.
func (r *Ring) endKept() error {
	r.open.Add(-1)
	if r.Closer.Closed() {
		r.open.Add(1) // it dies with the attachment
		return r.Closer.Err()
	}
	return nil
}

// Commit is Publish of a claim that was kept.
func (r *Ring) Commit(c Claim) error {
	if err := r.endKept(); err != nil {
		return err
	}
	return r.Publish(c)
}

// EndPeek is Release of a claim that was kept.
func (r *Ring) EndPeek(c Claim) error {
	if err := r.endKept(); err != nil {
		return err
	}
	return r.Release(c)
}

// Abort gives a record that was kept back without a message.
func (r *Ring) Abort(c Claim) error {
	if err := r.endKept(); err != nil {
		return err
	}
	ring.StoreRelease(&c.rec.state, recWord(recAborted, ring.Nobody, c.size)) // #1 -> #4
	crashpoint.Here("bytes.aborted")
	// ErrBusy: others sweep, too
	if err := r.locked(r.GetLock, r.sweep); err != nil && err != ErrBusy {
		return err
	}
	r.Consumers.Event.NotifyAll()
	r.Producers.Event.NotifyAll()
	return nil
}
