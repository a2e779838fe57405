package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

const (
	// clientLease is how long a caller may be away from the server before it is taken for dead.
	clientLease = 5 * time.Second

	// clientSilence is how long a caller that the server takes for connected may not answer.
	clientSilence = 30 * time.Second

	compareInterval = 5 * time.Second

	// extendInterval is the time after which the lease of what the host has is extended: a quarter
	// of the shortest one.
	extendInterval = 250 * time.Millisecond
)

// beat does what is due from time to time, until the host ends.
func (h *host) beat() {
	t := time.NewTicker(extendInterval)
	defer t.Stop()
	var told, compared time.Time
	for {
		now := time.Now()
		if now.Sub(told) >= h.o.hooks.beat()-extendInterval/2 {
			told = now
			h.tellLife()
		}
		h.mu.Lock()
		h.extend(now)
		h.unstick(now)
		h.resend(now)
		for _, p := range h.pulls {
			p.expire(now)
			p.more()
		}
		all := now.Sub(compared) >= h.o.hooks.compare()
		if all {
			compared = now
		}
		h.compare(now, all)
		h.mu.Unlock()
		select {
		case <-h.alive.Done():
			return
		case <-t.C:
		}
	}
}

// tellLife publishes a sign of life.
func (h *host) tellLife() {
	l := h.life()
	h.nc.Publish(wire.Prefix+"a."+h.o.Queue+"."+h.id, wire.AppendLife(nil, &l))
}

// extend tells the server that the host works on what it has. h.mu is held.
func (h *host) extend(now time.Time) {
	for _, t := range h.held {
		if now.Sub(t.since) >= extendInterval {
			h.nc.Publish(t.replies[len(t.replies)-1], []byte("+WPI"))
		}
	}
}

// compare asks callers that are silent, or all, which of their tasks have a use. h.mu is held.
func (h *host) compare(now time.Time, all bool) {
	gone, _ := h.o.hooks.away()
	items := map[string][]wire.HeldItem{}
	for _, t := range h.held {
		items[t.key.client] = append(items[t.key.client], t.item())
	}
	for id, c := range h.clients {
		mine := items[id]
		switch {
		case len(mine) == 0:
			if now.Sub(c.seen) > forgetAfter {
				delete(h.clients, id)
			}
			continue
		case c.asking || !all && now.Sub(c.seen) < gone && c.missing.IsZero():
			continue
		}
		c.asking = true
		h.spawn(func() { h.compareWith(id, mine) })
	}
}

// compareWith tells a caller of tasks, and ends those that have no use.
func (h *host) compareWith(id string, items []wire.HeldItem) {
	wanted, err := h.ask(id, items)
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.clients[id]; c != nil {
		c.asking = false
	}
	if err != nil {
		return
	}
	for _, i := range items {
		if t := h.held[key{id, i.ID}]; t != nil && !wanted[i.ID] {
			h.unwanted(t)
		}
	}
}

// unwanted ends a task that its caller does not wait for. h.mu is held.
func (h *host) unwanted(t *held) {
	t.cancel(context.Canceled)
	if t.begun.IsZero() {
		h.answer(t, "+ACK")
	}
}

// noteAnswer notes whether a caller has answered, and what follows when it does not for too long.
func (h *host) noteAnswer(id string, err error, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.client(id)
	now := time.Now()
	switch {
	case err == nil:
		c.seen, c.missing, c.silent = now, time.Time{}, time.Time{}
		h.trip += (took - h.trip) / 8
		return
	case !h.nc.IsConnected(): // the fault may be on this side
		c.missing, c.silent = time.Time{}, time.Time{}
		return
	case errors.Is(err, nats.ErrNoResponders):
		if c.missing.IsZero() {
			c.missing = now
		}
	case c.silent.IsZero():
		c.silent = now
	}
	gone, silent := h.o.hooks.away()
	if !c.missing.IsZero() && now.Sub(c.missing) > gone || !c.silent.IsZero() && now.Sub(c.silent) > silent {
		h.clientGone(id)
	}
}

// clientLives notes a sign of life of a caller.
func (h *host) clientLives(m *nats.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.clients[lastToken(m.Subject)]; c != nil {
		c.seen, c.missing, c.silent = time.Now(), time.Time{}, time.Time{}
	}
}

// clientGone ends the tasks of a caller that is dead, and takes those that wait out of the queue.
// h.mu is held.
func (h *host) clientGone(id string) {
	for k, t := range h.held {
		if k.client == id {
			h.answer(t, "+TERM") // its context ends
		}
	}
	for no, b := range h.batches {
		if b.client == id {
			delete(h.batches, no)
		}
	}
	delete(h.clients, id)
	for _, p := range h.pulls {
		h.nc.Publish("$JS.API.STREAM.PURGE."+streamOf(h.o.Queue), []byte(`{"filter":"`+subjectOf(h.o.Queue, p.class, id)+`"}`))
		p.more()
	}
	h.o.hooks.point("client gone", 0)
}

// ordered ends the contexts of tasks that a caller has cancelled.
func (h *host) ordered(m *nats.Msg) {
	c, err := wire.ReadCancel(m.Data)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.All && c.Drop {
		h.dropFor(c.Client, m)
		return
	}
	for k, t := range h.held {
		if c.All && k.client == c.Client {
			h.unwanted(t)
		}
	}
	for _, id := range c.IDs {
		if t := h.held[key{c.Client, id}]; t != nil {
			h.cancelOne(t)
		}
	}
}

// cancelOne ends the context of a task. Its caller still waits for a result. h.mu is held.
func (h *host) cancelOne(t *held) {
	t.cancel(context.Canceled)
	if !t.begun.IsZero() {
		return
	}
	h.refuse(t, &wire.Trouble{Cancelled: true})
}

// refuse ends a task that has not begun. Its caller still waits for a result. h.mu is held.
func (h *host) refuse(t *held, why *wire.Trouble) {
	t.begun, t.done = time.Now(), true
	h.sent++
	t.result = wire.Result{ID: t.key.id, Trouble: why}
	h.resultsMu.Lock()
	h.results = append(h.results, t)
	h.resultsMu.Unlock()
	h.wakeSend()
}
