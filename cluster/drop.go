package cluster

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/pool"
)

// Drop implements [engine.Dropper]. What a host has begun goes on.
func (c *caller) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spawn(c.drop)
}

// drop has all hosts begin no task any more. Then what none of them has is dropped.
func (c *caller) drop() {
	c.mu.Lock()
	var hosts []string
	for id, h := range c.hosts {
		if !h.lost {
			hosts = append(hosts, id)
		}
	}
	c.mu.Unlock()
	var all sync.WaitGroup
	for _, id := range hosts {
		all.Go(func() { c.dropAt(id) })
	}
	all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = true
	for _, e := range c.entries {
		if e.holder == "" && e.acked {
			c.finish(e, pool.ErrClosed)
		}
	}
}

// dropAt has a host begin no task any more, and notes which it has. A host that does not answer is
// lost, or is soon.
func (c *caller) dropAt(host string) {
	ctx, cancel := context.WithTimeout(c.alive, requestTimeout)
	defer cancel()
	order := wire.Cancel{Client: c.id, All: true, Drop: true}
	m, err := c.nc.RequestWithContext(ctx, wire.Prefix+"x."+c.o.Queue+"."+host, wire.AppendCancel(nil, &order))
	if err != nil {
		return
	}
	m.Reply = "" // the answer is none that waits for another
	c.heldBy(m)
}

// dropFor begins no task of a caller any more, and answers which have begun. What the pool has
// counts as begun: whether a worker has it this very moment cannot be known. So does what has
// ended, as long as the caller has not confirmed the result. h.mu is held.
func (h *host) dropFor(client string, m *nats.Msg) {
	h.client(client).dropping = true
	has := wire.Held{Host: h.id}
	for k, t := range h.held {
		switch {
		case k.client != client:
		case t.begun.IsZero():
			h.refuse(t, &wire.Trouble{Dropped: true})
		default:
			has.Items = append(has.Items, t.item())
		}
	}
	if m.Reply != "" {
		m.Respond(wire.AppendHeld(nil, &has))
	}
}
