package cluster

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/pool"
)

// lastToken is what follows the last dot of a subject.
func lastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// acknowledged: the server has a task in its stream, or refuses it.
func (c *caller) acknowledged(m *nats.Msg) {
	id, err := strconv.ParseUint(lastToken(m.Subject), 36, 64)
	if err != nil {
		return
	}
	var ack struct {
		Seq   uint64 `json:"seq"`
		Error *struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	refused := m.Header.Get("Status") != "" || json.Unmarshal(m.Data, &ack) != nil || ack.Error != nil
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[id]
	switch {
	case e == nil: // its result has been faster
		return
	case refused: // the stream is full, or is not there
		e.published = time.Time{}
		c.reconcileSoon()
		return
	case e.acked: // two copies lie there now
		return
	}
	e.acked, e.seq = true, ack.Seq
	if c.unacked--; c.unacked == maxUnacked-1 {
		c.changed.Broadcast()
	}
	switch {
	case e.holder != "":
	case e.cancelled:
		c.finish(e, context.Canceled)
	case c.dropped:
		c.finish(e, pool.ErrClosed)
	}
}

// results takes a batch of results, and confirms it.
func (c *caller) results(m *nats.Msg) {
	confirm := true
	for rest := m.Data; len(rest) > 0; {
		var r wire.Result
		var err error
		if r, rest, err = wire.ReadResult(rest); err != nil {
			return // it is not confirmed; its host is lost, or of another version
		}
		confirm = c.result(&r, m) && confirm
	}
	if confirm {
		m.Respond(nil)
	}
}

// result takes one result. It reports whether the result is with the caller now.
func (c *caller) result(r *wire.Result, m *nats.Msg) (taken bool) {
	c.mu.Lock()
	e := c.entries[r.ID]
	switch {
	case e == nil:
		c.mu.Unlock()
		c.counts.doubled.Add(1)
		return true
	case r.Trouble != nil && r.Trouble.Unknown:
		c.reroute(e)
		c.mu.Unlock()
		return true
	case r.Size > wire.Inline:
		begin := !e.fetching
		e.fetching = true
		host := e.holder
		if begin {
			large := *r
			c.spawn(func() { c.fetchResult(e, large, host, m) })
		}
		c.mu.Unlock()
		return false
	}
	c.remove(e)
	c.mu.Unlock()
	c.settle(e, r)
	return true
}

// settle delivers a result after its entry has left the ledger.
func (c *caller) settle(e *entry, r *wire.Result) {
	var began engine.Began
	if r.PID != 0 {
		began = engine.Began{Worker: r.Worker, PID: r.PID, At: time.Unix(0, r.Began)}
	}
	c.deliver(engine.Result{
		Began: began,
		ID:    r.ID, Kind: r.Kind, Bytes: r.Bytes, Ran: r.Ran, Split: r.Split, At: min(r.At, e.task.Count-1), Kills: r.Kills, Err: c.errorOf(&e.task, r.Trouble),
	})
}

// fetchResult fetches a large result from the host that has it.
func (c *caller) fetchResult(e *entry, r wire.Result, host string, m *nats.Msg) {
	if host == "" {
		host = m.Header.Get(hostHeader)
	}
	b, err := fetch(c.alive, c.nc, wire.Prefix+"g."+host, wire.Piece{Client: c.id, ID: r.ID}, r.Size)
	c.mu.Lock()
	e.fetching = false
	if err != nil || c.entries[r.ID] != e { // the host tells again, or is lost
		c.mu.Unlock()
		return
	}
	c.remove(e)
	c.mu.Unlock()
	r.Bytes = b
	c.settle(e, &r)
	m.Respond(nil)
}

// reroute sends a task to another host than the one that does not know it. c.mu is held.
func (c *caller) reroute(e *entry) {
	class, err := c.classFor(&e.task) // it may release c.mu meanwhile
	if c.entries[e.task.ID] != e {
		return
	}
	if err != nil {
		c.finish(e, err)
		return
	}
	e.class = class
	c.again(e)
}

// heldBy notes which tasks a host has, and answers which of them have no use.
func (c *caller) heldBy(m *nats.Msg) {
	h, err := wire.ReadHeld(m.Data)
	if err != nil {
		return
	}
	var unwanted []uint64
	c.mu.Lock()
	for _, i := range h.Items {
		e := c.entries[i.ID]
		if e == nil || e.cancelled && e.holder == "" {
			unwanted = append(unwanted, i.ID)
			continue
		}
		if i.Reply == "" {
			c.givenBackBy(e, h.Host)
			continue
		}
		if e.holder != h.Host && e.holder != "" {
			// a host that was taken for lost speaks of an earlier delivery
			if i.Delivered <= e.delivered {
				continue
			}
			if !c.blame(e, e.holder) {
				unwanted = append(unwanted, i.ID)
				continue
			}
		}
		e.holder, e.reply, e.delivered, e.known = h.Host, i.Reply, i.Delivered, time.Now()
		if e.cancelled {
			unwanted = append(unwanted, i.ID)
		}
	}
	c.mu.Unlock()
	switch {
	case m.Reply != "":
		m.Respond(wire.AppendIDs(nil, unwanted...))
	case len(unwanted) > 0: // they were cancelled on their way to the host
		c.order(h.Host, &wire.Cancel{Client: c.id, IDs: unwanted})
	}
}

// givenBackBy notes that a host does not have a task any more, which lies in the stream again. c.mu
// is held.
func (c *caller) givenBackBy(e *entry, host string) {
	if e.holder != host {
		return
	}
	e.holder, e.known = "", time.Now()
	if e.cancelled {
		c.finish(e, context.Canceled)
	}
}

// blame notes that a host was lost while it had a task, and ends the task when too many were. It
// reports whether the task goes on. c.mu is held.
func (c *caller) blame(e *entry, host string) bool {
	e.lost = append(e.lost, host)
	e.holder = ""
	if len(e.lost) < c.o.HostAttempts {
		return true
	}
	err := &HostLostError{Task: e.task.Name, Last: c.logLines[host]}
	for _, id := range e.lost {
		name := id
		if h := c.hosts[id]; h != nil {
			name = h.life.Name
		}
		err.Hosts = append(err.Hosts, name)
	}
	c.finish(e, err)
	return false
}

// forgive takes the blame off a host that was taken for lost and is alive. c.mu is held.
func (c *caller) forgive(host string) {
	for _, e := range c.entries {
		for i, id := range e.lost {
			if id == host {
				e.lost = append(e.lost[:i:i], e.lost[i+1:]...)
				break
			}
		}
	}
}
