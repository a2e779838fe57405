package queue

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// awaitRoom waits until there is room for a message.
func (r *spsc) awaitRoom(ctx context.Context, policy wait.Policy) error {
	p := &r.put
	if p.look() {
		return p.err
	}
	policy, over := p.SpinThen(policy, &r.get.SpinWait, p.look)
	if over {
		return p.err
	}
	r.head.tally.Waits.Add(1)
	if err := p.Event.Await(ctx, policy, p.stare, nil); err != nil {
		return err
	}
	return p.err
}

// awaitMessage waits until there is a message to take.
func (r *spsc) awaitMessage(ctx context.Context, policy wait.Policy) error {
	c := &r.get
	if err := r.messages(); err != ErrEmpty {
		return err
	}
	if policy == wait.Spinning {
		if err := r.gaze(); err != ErrEmpty {
			return err
		}
	} else {
		var over bool
		if policy, over = c.SpinThen(policy, &r.put.SpinWait, c.look); over {
			return r.gathered()
		}
	}
	r.head.tally.Waits.Add(1)
	if err := c.Event.Await(ctx, policy, c.look, r.watch); err != nil {
		return err
	}
	return r.gathered()
}

// gaze is messages for a consumer that never sleeps: it looks for some time, at nothing but the tail mostly. The quicker a look is, the
// sooner a message is seen.
func (r *spsc) gaze() error {
	c := &r.get
	for looks := 0; c.MaySpinHot(&r.put.SpinWait) && looks < ring.HotSpins; looks += ring.TailPolls {
		ring.PollTail(&r.head.tail, c.next, r.place(c.next))
		if err := r.messages(); err != ErrEmpty {
			return err
		}
	}
	return ErrEmpty
}

// gathered ends a wait for messages.
func (r *spsc) gathered() error {
	c := &r.get
	if c.err == nil {
		c.Adapt(c.until-c.next > 1)
	}
	return c.err
}

func (r *spsc) close() error {
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	// SYNC: closed: whoever sees the flag sees after a barrier the puts that have not seen it; see begin.
	r.head.closed.Store(1)
	crashpoint.Here("spsc.closed")
	ring.Barrier()
	r.get.Event.NotifyAll()
	crashpoint.Here("spsc.close.told")
	r.put.Event.NotifyAll()
	return nil
}
