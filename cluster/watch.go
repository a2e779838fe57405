package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

// lifeOf notes a sign of life of a host.
func (c *caller) lifeOf(m *nats.Msg) {
	l, err := wire.ReadLife(m.Data)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[l.Host]
	if h == nil {
		h = &hostState{}
		c.hosts[l.Host] = h
	}
	if h.lost {
		h.lost = false
		c.forgive(l.Host)
	}
	if len(l.Tasks) != len(h.life.Tasks) || h.set == "" {
		h.set = l.Set()
	}
	h.life, h.seen = l, time.Now()
	c.changed.Broadcast()
}

// watch looks after hosts that are silent, until the caller ends.
func (c *caller) watch() {
	beat := c.o.hooks.beat()
	t := time.NewTicker(beat / 5)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-c.alive.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		late := now.Sub(last) > beat // this process was held up itself
		last = now
		c.mu.Lock()
		if late || c.since.IsZero() || now.Sub(c.since) < 4*beat {
			for _, h := range c.hosts {
				h.seen = now
			}
			c.mu.Unlock()
			continue
		}
		for id, h := range c.hosts {
			silent := now.Sub(h.seen)
			switch {
			case h.lost:
				if silent > forgetAfter {
					delete(c.hosts, id)
					delete(c.logLines, id)
				}
			case silent > 3*beat:
				c.hostLost(id, h)
			case silent > beat*3/2 && !h.probing:
				h.probing = true
				c.spawn(func() { c.probe(id, h) })
			}
		}
		c.mu.Unlock()
	}
}

// forgetAfter is how long a caller remembers a host that is lost.
const forgetAfter = 10 * time.Minute

// probe asks a host that has missed a sign of life whether it is there. The server knows at once
// when its connection is gone.
func (c *caller) probe(id string, h *hostState) {
	ctx, cancel := context.WithTimeout(c.alive, requestTimeout)
	defer cancel()
	_, err := c.nc.RequestWithContext(ctx, wire.Prefix+"g."+id, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	h.probing = false
	switch {
	case err == nil:
		h.seen = time.Now()
	case errors.Is(err, nats.ErrNoResponders) && time.Since(h.seen) > c.o.hooks.beat() && !h.lost:
		c.hostLost(id, h)
	}
}

// hostLost gives the tasks of a host back to the queue. c.mu is held.
func (c *caller) hostLost(id string, h *hostState) {
	h.lost = true
	c.counts.lost.Add(1)
	for _, e := range c.entries {
		if e.holder != id {
			continue
		}
		reply := e.reply
		switch {
		case e.cancelled:
			c.finish(e, context.Canceled)
		case !h.life.Leaving && !c.blame(e, id):
		default:
			e.holder, e.known = "", time.Now()
			c.counts.givenBack.Add(1)
			c.nc.Publish(reply, []byte("-NAK"))
			continue
		}
		c.nc.Publish(reply, []byte("+TERM"))
	}
	if h.set != "" && c.classes[h.set] {
		c.leaveSet(h.set)
	}
	c.changed.Broadcast()
}

// leaveSet sends tasks of a set that has lost its last host elsewhere. c.mu is held.
func (c *caller) leaveSet(set string) {
	for _, h := range c.liveHosts() {
		if h.set == set {
			return
		}
	}
	for _, e := range c.entries {
		if e.class == set && e.holder == "" {
			if e.acked {
				c.deleteMessage(e.seq)
			}
			c.reroute(e)
		}
	}
}

// live publishes signs of life until the caller ends.
func (c *caller) live() {
	t := time.NewTicker(c.o.hooks.beat())
	defer t.Stop()
	for {
		c.nc.Publish(wire.Prefix+"c."+c.o.Queue+"."+c.id, nil)
		select {
		case <-c.alive.Done():
			return
		case <-t.C:
		}
	}
}
