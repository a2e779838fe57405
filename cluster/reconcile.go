package cluster

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

// connection notes that the connection is lost, or there again.
func (c *caller) connection(there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since = (time.Time{}); there {
		c.since = time.Now()
		for _, e := range c.entries {
			e.known = time.Time{}
			if !e.acked { // its acknowledgement may have been lost
				e.published = time.Time{}
			}
		}
		c.reconcileSoon()
	}
}

func (c *caller) reconcileSoon() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// reconcile compares the ledger with the server, again and again, until the caller ends.
func (c *caller) reconcile() {
	t := time.NewTicker(c.o.Lease / 2)
	defer t.Stop()
	for {
		woken := false
		select {
		case <-c.alive.Done():
			return
		case <-t.C:
		case <-c.wake:
			woken = true
		}
		c.mu.Lock()
		idle := len(c.entries) == 0 && !woken
		c.mu.Unlock()
		if idle || !c.nc.IsConnected() {
			continue
		}
		if err := c.compareStream(); err != nil {
			c.retryReconcile()
			continue
		}
		if c.publishUnacked() {
			c.retryReconcile()
		}
		c.lookForLost()
	}
}

// retryReconcile has reconcile run again soon.
func (c *caller) retryReconcile() {
	select {
	case <-c.alive.Done():
	case <-time.After(retryPause):
		c.reconcileSoon()
	}
}

// compareStream makes the stream again if the server has lost it. If it is another one, all that
// has no result is submitted again.
func (c *caller) compareStream() error {
	created, err := c.q.created(c.alive)
	if err != nil {
		return err
	}
	if created.IsZero() {
		c.mu.Lock()
		classes := make([]string, 0, len(c.classes))
		for class := range c.classes {
			classes = append(classes, class)
		}
		c.mu.Unlock()
		if created, err = c.q.make(c.alive, classes...); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if created.Equal(c.created) {
		return nil
	}
	c.created = created
	for _, e := range c.inOrder(func(*entry) bool { return true }) {
		c.again(e)
	}
	return nil
}

// inOrder are the entries that are wanted, by age. c.mu is held.
func (c *caller) inOrder(wanted func(*entry) bool) (all []*entry) {
	for _, e := range c.entries {
		if wanted(e) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return a.published.Compare(b.published) })
	return all
}

// ackTimeout is how long a task may wait for the acknowledgement of the server.
const ackTimeout = 5 * time.Second

// publishUnacked publishes the tasks again that the server should have acknowledged. It reports
// whether some were refused.
func (c *caller) publishUnacked() (refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unacked == 0 {
		return false
	}
	for _, e := range c.inOrder(func(e *entry) bool { return !e.acked && time.Since(e.published) > ackTimeout }) {
		refused = refused || e.published.IsZero()
		c.counts.resubmitted.Add(1)
		c.publish(e)
	}
	return refused
}

// lookAtMost is how many messages one round of reconcile looks at.
const lookAtMost = 256

// lookForLost looks whether the messages of tasks are there of which neither the server nor a host
// has shown for long that it has them. Those without a message are submitted again.
func (c *caller) lookForLost() {
	type suspect struct{ id, seq uint64 }
	var suspects []suspect
	limit := max(3*c.o.Lease, 2*c.o.hooks.compare())
	c.mu.Lock()
	for _, e := range c.entries {
		if e.acked && !e.fetching && time.Since(e.known) > limit && len(suspects) < lookAtMost {
			suspects = append(suspects, suspect{e.task.ID, e.seq})
		}
	}
	c.mu.Unlock()
	if len(suspects) == 0 {
		return
	}
	s, err := c.q.js.Stream(c.alive, streamOf(c.o.Queue))
	if err != nil {
		return
	}
	for _, u := range suspects {
		there, err := c.isThere(s, u.seq, u.id)
		if err != nil {
			return
		}
		c.mu.Lock()
		e := c.entries[u.id]
		if e != nil && e.acked && e.seq == u.seq {
			e.known = time.Now()
			switch {
			case !there && e.cancelled:
				c.finish(e, context.Canceled)
			case !there:
				c.again(e)
			}
		}
		c.mu.Unlock()
	}
}

// isThere reports whether a message of the stream is that of a task.
func (c *caller) isThere(s jetstream.Stream, seq, id uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(c.alive, requestTimeout)
	defer cancel()
	m, err := s.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t, err := wire.ReadTask(m.Data)
	return err == nil && t.Client == c.id && t.ID == id, nil
}
