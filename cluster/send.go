package cluster

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

// A batch is results of one caller that travel in one message. Guarded by host.mu.
type batch struct {
	client string
	data   []byte
	tasks  []*held
	at     time.Time
}

const (
	batchTasks = 64
	batchBytes = 256 << 10
	resendAt   = time.Second // results that are not confirmed are sent again
)

func (h *host) wakeSend() {
	select {
	case h.ready <- struct{}{}:
	default:
	}
}

// send sends results, and tells callers of tasks, until the host ends.
func (h *host) send() {
	for {
		select {
		case <-h.alive.Done():
			return
		case <-h.ready:
		}
		h.sendTold()
		h.gather()
		h.resultsMu.Lock()
		done := h.results
		h.results = nil
		h.resultsMu.Unlock()
		for len(done) > 0 {
			done = h.sendBatch(done)
		}
	}
}

// gather waits a moment for more results where more are about to come, so that one message has many
// of them: each costs the server and the caller more than what is in it.
func (h *host) gather() {
	h.mu.Lock()
	soon := len(h.held) - h.sent
	each := h.each
	h.mu.Unlock()
	h.resultsMu.Lock()
	n := len(h.results)
	h.resultsMu.Unlock()
	if n >= batchTasks/2 || soon < gatherFrom || each == 0 || each > gatherTime/gatherFrom {
		return
	}
	select {
	case <-h.alive.Done():
	case <-time.After(gatherTime):
	}
}

const (
	gatherTime = 300 * time.Microsecond
	gatherFrom = 8 // tasks that are to end soon
)

// wakeTell has send tell callers of tasks.
func (h *host) wakeTell() {
	h.mu.Lock()
	h.telling = false
	h.mu.Unlock()
	h.told.Store(true)
	h.wakeSend()
}

// sendTold tells callers which of their tasks this host has.
func (h *host) sendTold() {
	if !h.told.Swap(false) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, c := range h.clients {
		m := wire.Held{Host: h.id}
		for _, t := range c.tell {
			if !t.dropped && !t.done {
				m.Items = append(m.Items, t.item())
			}
		}
		c.tell = c.tell[:0]
		for len(m.Items) > 0 {
			rest := m.Items[min(len(m.Items), tellMost):]
			m.Items = m.Items[:len(m.Items)-len(rest)]
			h.nc.Publish(wire.Prefix+"k."+id, wire.AppendHeld(nil, &m))
			for _, i := range m.Items {
				h.o.hooks.point("told", i.ID)
			}
			m.Items = rest
		}
	}
}

// tellMost is how many tasks one message tells of.
const tellMost = 256

// sendBatch sends results of the caller of the first one, and returns the others.
func (h *host) sendBatch(done []*held) (rest []*held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := &batch{client: done[0].key.client, at: time.Now()}
	for i, t := range done {
		large := t.result.Size > wire.Inline
		switch {
		case t.dropped:
			continue
		case t.key.client != b.client || large && len(b.tasks) > 0 || len(b.data)+len(t.result.Bytes) > batchBytes && len(b.tasks) > 0:
			rest = append(rest, done[i:]...)
		default:
			b.data = wire.AppendResult(b.data, &t.result)
			b.tasks = append(b.tasks, t)
			if len(b.tasks) < batchTasks && !large {
				continue
			}
			rest = done[i+1:]
		}
		break
	}
	if len(b.tasks) == 0 {
		return rest
	}
	h.batchNo++
	h.batches[h.batchNo] = b
	h.sendOut(h.batchNo, b)
	for _, t := range b.tasks {
		h.o.hooks.point("sent", t.key.id)
	}
	return rest
}

// sendOut publishes a batch. h.mu is held.
func (h *host) sendOut(no uint64, b *batch) {
	m := nats.NewMsg(wire.Prefix + "r." + b.client)
	m.Reply, m.Data = h.acks+"."+strconv.FormatUint(no, 10), b.data
	m.Header.Set(hostHeader, h.id)
	h.nc.PublishMsg(m) // what does not go now is sent again
}

// confirmed: a caller has the results of a batch.
func (h *host) confirmed(m *nats.Msg) {
	no, err := strconv.ParseUint(lastToken(m.Subject), 10, 64)
	if err != nil || m.Header.Get("Status") != "" { // the caller is not there: it may come again
		return
	}
	h.mu.Lock()
	b := h.batches[no]
	delete(h.batches, no)
	if b != nil {
		h.trip += (time.Since(b.at) - h.trip) / 8
		for _, t := range b.tasks {
			h.o.hooks.point("confirmed", t.key.id)
			h.answer(t, "+ACK")
		}
		h.client(b.client).seen = time.Now()
	}
	h.mu.Unlock()
	h.pull()
}

// resend sends results again that are not confirmed. h.mu is held.
func (h *host) resend(now time.Time) {
	for no, b := range h.batches {
		if now.Sub(b.at) > resendAt {
			b.at = now
			h.sendOut(no, b)
		}
	}
}

// givePiece sends a part of a large result to its caller. A request without a name only asks
// whether the host is there.
func (h *host) givePiece(m *nats.Msg) {
	p, err := wire.ReadPiece(m.Data)
	if err != nil {
		m.Respond(nil)
		return
	}
	h.mu.Lock()
	var b []byte
	if t := h.held[key{p.Client, p.ID}]; t != nil {
		b = t.bytes
	}
	h.mu.Unlock()
	m.Respond(pieceOf(b, p.Offset))
}
