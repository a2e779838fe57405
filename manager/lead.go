package manager

import (
	"time"

	"github.com/shmkit/shmkit/internal/frame"
)

// After a time without a request from firstTurn to lastTurn the link's own goroutine takes the
// lead, and sees the end of the connection. It doubles while there are requests: each look costs a
// process that waits for answers some microseconds, and often its place on a processor.
const (
	firstTurn = time.Millisecond
	lastTurn  = 32 * time.Millisecond
)

// run is the link's own goroutine. It has the lead while requests wait that do not read themselves,
// and when there are none, so that it notices the end of the connection.
func (l *link) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	quiet, period := true, firstTurn
	for !l.isOver() {
		l.mu.Lock()
		if !l.leading && (quiet || l.inFlight > 0) {
			l.leading = true
			l.turns++
			l.mu.Unlock()
			l.readForOthers()
			quiet, period = false, firstTurn
			continue
		}
		turns := l.turns
		l.mu.Unlock()
		timer.Reset(period)
		select {
		case <-l.kick:
			quiet = false
		case <-timer.C:
			l.mu.Lock()
			quiet = l.turns == turns && !l.leading
			l.mu.Unlock()
			period = min(2*period, lastTurn)
		case <-l.ended:
		}
	}
}

func (l *link) isOver() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// next reads the next frame, and notes for keepAlive since when.
func (l *link) next() (h *frame.Head, payload []byte, err error) {
	if !l.remote {
		return l.r.Next()
	}
	l.heard.Store(time.Now().UnixNano())
	h, payload, err = l.r.Next()
	l.heard.Store(0)
	return h, payload, err
}

// readForOthers reads until the next request can read itself.
func (l *link) readForOthers() {
	for {
		h, payload, err := l.next()
		ends := false
		if err == nil {
			ends, err = l.dispatch(h, payload, nil)
		}
		if err != nil {
			l.fail(err)
			return
		}
		if ends {
			return
		}
	}
}

// readFor reads until the request q, which has the lead, has its answer, and keeps the lead. It
// reports true when the answer is in q, valid until passLead, which notes it.
func (l *link) readFor(q *request) bool {
	for {
		h, payload, err := l.next()
		if err == nil && h.Call == q.call && h.Flags&frame.Chunked == 0 && (h.Kind == kindResult || h.Kind == kindError) {
			q.kind, q.flags, q.object, q.payload = h.Kind, h.Flags, h.Object, payload
			return true
		}
		mine := false
		if err == nil {
			mine, err = l.dispatch(h, payload, q)
		}
		if err != nil {
			l.fail(err)
			return false
		}
		if mine {
			return q.err == nil
		}
	}
}

// passLead gives the lead of q back, which has its answer, and keeps q for the next request if it
// is spare.
func (l *link) passLead(q *request, spare bool) {
	l.mu.Lock()
	if !q.over {
		l.read = max(l.read, q.end)
		l.complete(q)
	}
	if spare && cap(q.buf) <= maxKept {
		l.spare = q
	}
	l.leading = false
	others := l.inFlight > 0
	l.mu.Unlock()
	if others {
		l.kickReader()
	}
}

// kickReader has the link's own goroutine look for work.
func (l *link) kickReader() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}
