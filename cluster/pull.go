package cluster

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

// A puller asks the server for tasks of one class: for as many as the host has room for.
type puller struct {
	h     *host
	class string
	inbox string

	// guarded by host.mu
	no    uint64
	asked int // tasks that were asked for and have not come
	out   map[uint64]*pull
}

// A pull is one request.
type pull struct {
	left int
	at   time.Time
}

const (
	// pullExpires is how long a request stays at the server.
	pullExpires = 5 * time.Second

	// pullLost is when a request without an answer is taken for lost.
	pullLost = pullExpires + 3*time.Second
)

func newPuller(h *host, class string) *puller {
	return &puller{h: h, class: class, inbox: nats.NewInbox(), out: map[uint64]*pull{}}
}

// readAhead is how many tasks the host takes beyond those that run, for each worker: none where the
// way of the next one is nothing beside the time of a task, or that is not known. h.mu is held.
func (h *host) readAhead() int {
	switch {
	case h.o.ReadAhead > 0:
		return h.o.ReadAhead
	case h.each == 0 || h.each > longTrips*h.trip:
		return 0
	}
	return min(int((2*h.trip+h.each-1)/h.each), maxAhead)
}

// maxAhead is how many tasks at most wait for each worker.
const maxAhead = 128

// longTrips is how many trips to a caller a task lasts that is long.
const longTrips = 100

// room is how many tasks there may be with so many behind the one that each worker runs. Behind a
// long one there are none: other hosts may have workers for them. h.mu is held.
func (h *host) room(behind int) int { return h.workers + (h.workers-h.stuck)*behind }

// pull asks for more tasks.
func (h *host) pull() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.pulls {
		p.more()
	}
}

// maxSent is how many tasks the host has, beyond those that there is room for, of which the results
// are not confirmed.
const maxSent = 1 << 10

// more asks for as many tasks as there is room for. host.mu is held.
func (p *puller) more() {
	h := p.h
	all := h.room(h.readAhead())
	room := all - (len(h.held) - min(h.sent, maxSent)) - p.asked
	if h.leaving || h.alive.Err() != nil || room < max(1, all/4) {
		return
	}
	p.no++
	p.out[p.no] = &pull{room, time.Now()}
	p.asked += room
	request := fmt.Appendf(nil, `{"batch":%d,"expires":%d}`, room, pullExpires.Nanoseconds())
	p.h.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+streamOf(h.o.Queue)+"."+consumerOf(p.class), p.inbox+"."+strconv.FormatUint(p.no, 10), request)
}

// reset forgets all requests: the server has.
func (p *puller) reset() {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	p.asked = 0
	clear(p.out)
}

// expire forgets the requests that are lost. host.mu is held.
func (p *puller) expire(now time.Time) {
	for no, q := range p.out {
		if now.Sub(q.at) > pullLost {
			p.asked -= q.left
			delete(p.out, no)
		}
	}
}

// ended notes the end of a request. Some say how many tasks it still stood for. host.mu is held.
func (p *puller) ended(m *nats.Msg) {
	no, _ := strconv.ParseUint(lastToken(m.Subject), 10, 64)
	q := p.out[no]
	if q == nil {
		return
	}
	left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	if err != nil || left > q.left {
		left = q.left
	}
	p.asked = max(0, p.asked-left)
	delete(p.out, no)
}

// came notes that a task has come: for the oldest request, since the server serves them in order.
// host.mu is held.
func (p *puller) came() {
	p.asked = max(0, p.asked-1)
	oldest := uint64(0)
	for no := range p.out {
		if oldest == 0 || no < oldest {
			oldest = no
		}
	}
	if q := p.out[oldest]; q != nil {
		if q.left--; q.left <= 0 {
			delete(p.out, oldest)
		}
	}
}

// receive takes what the server sends: a task, or the end of a request.
func (p *puller) receive(m *nats.Msg) {
	h := p.h
	if status := m.Header.Get("Status"); len(m.Data) == 0 && status != "" {
		if status == "100" { // a sign of life of the server
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		p.ended(m)
		if status != "503" && status != "404" { // else there is no such consumer: beat asks again
			p.more()
		}
		return
	}
	t, err := wire.ReadTask(m.Data)
	meta, noMeta := m.Metadata()
	h.mu.Lock()
	defer h.mu.Unlock()
	p.came()
	if err != nil || noMeta != nil {
		h.nc.Publish(m.Reply, []byte("+TERM"))
		p.more()
		return
	}
	h.take(&t, m.Reply, int(meta.NumDelivered))
	p.more()
}

// take takes a task. h.mu is held.
func (h *host) take(t *wire.Task, reply string, delivered int) {
	if h.leaving {
		h.nc.Publish(reply, []byte("-NAK"))
		return
	}
	k := key{t.Client, t.ID}
	// Delivered again, or a second copy. What this host has refused comes again only if its caller
	// knew of no other host, and is not the one that the caller is about to confirm.
	if old := h.held[k]; old != nil && !old.isUnknown() {
		old.replies = append(old.replies, reply)
		old.delivered = max(old.delivered, delivered)
		h.tellOf(old)
		return
	}
	n := &held{key: k, task: *t, replies: []string{reply}, delivered: delivered, since: time.Now()}
	n.ctx, n.cancel = context.WithCancelCause(h.base)
	h.held[k] = n
	h.o.hooks.point("received", k.id)
	if c := h.clients[t.Client]; c != nil && c.dropping {
		h.refuse(n, &wire.Trouble{Dropped: true})
		return
	}
	if delivered > 1 || t.Size > wire.Inline {
		h.spawn(func() { h.prepare(n) })
		return
	}
	h.tellOf(n)
	h.todo = append(h.todo, n)
	h.changed.Broadcast()
}

// tellDelay is how long a host has a task before it tells the caller: most have ended by then. The
// lease of the server looks after the others if the host dies meanwhile.
const tellDelay = 10 * time.Millisecond

// tellOf has the caller of a task told soon that this host has it. h.mu is held.
func (h *host) tellOf(t *held) {
	c := h.client(t.key.client)
	c.tell = append(c.tell, t)
	if !h.telling {
		h.telling = true
		time.AfterFunc(tellDelay, h.wakeTell)
	}
}

// isUnknown says that the host has told the caller that it does not know the task. h.mu is held.
func (t *held) isUnknown() bool { return t.result.Trouble != nil && t.result.Trouble.Unknown }

// item is what the caller of a task is told of it.
func (t *held) item() wire.HeldItem {
	return wire.HeldItem{ID: t.key.id, Delivered: t.delivered, Reply: t.replies[len(t.replies)-1]}
}

// prepare asks whether a task that was delivered before has a use, and fetches a large argument.
func (h *host) prepare(t *held) {
	for {
		wanted, err := h.ask(t.key.client, []wire.HeldItem{t.item()})
		if err == nil && !wanted[t.key.id] {
			h.mu.Lock()
			h.answer(t, "+ACK")
			h.mu.Unlock()
			h.pull()
			return
		}
		if err == nil {
			break
		}
		select { // it goes on until the caller answers, or is taken for dead
		case <-t.ctx.Done():
			return
		case <-time.After(retryPause):
		}
	}
	if t.task.Size > wire.Inline {
		b, err := fetch(t.ctx, h.nc, wire.Prefix+"g."+t.key.client, wire.Piece{ID: t.key.id}, t.task.Size)
		h.mu.Lock()
		switch {
		case t.dropped:
			h.mu.Unlock()
			return
		case err != nil: // the caller is away, or does not have it any more
			for _, reply := range t.replies {
				h.nc.Publish(reply, []byte("-NAK"))
			}
			h.drop(t)
			h.mu.Unlock()
			h.pull()
			return
		}
		t.task.Arg = b
		h.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !t.dropped {
		h.todo = append(h.todo, t)
		h.changed.Broadcast()
	}
}

// ask tells a caller of tasks, and returns which of them have a use.
func (h *host) ask(client string, items []wire.HeldItem) (wanted map[uint64]bool, err error) {
	ctx, cancel := context.WithTimeout(h.alive, requestTimeout)
	defer cancel()
	start := time.Now()
	m, err := h.nc.RequestWithContext(ctx, wire.Prefix+"k."+client, wire.AppendHeld(nil, &wire.Held{Host: h.id, Items: items}))
	h.noteAnswer(client, err, time.Since(start))
	if err != nil {
		return nil, err
	}
	unwanted, err := wire.ReadIDs(m.Data)
	if err != nil {
		return nil, err
	}
	wanted = map[uint64]bool{}
	for _, i := range items {
		wanted[i.ID] = true
	}
	for _, id := range unwanted {
		delete(wanted, id)
	}
	return wanted, nil
}
