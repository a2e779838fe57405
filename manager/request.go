package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/internal/wait"
)

// smallInFlight is how many bytes may be under way to a server that may not have read them, in
// bytes: a write of fewer does not block, whatever the connection is.
const smallInFlight = 16 << 10

// errDead says that a link takes no more requests: the request was not sent.
var errDead = errors.New("the connection takes no more requests")

// begin makes room for a request with a payload of size bytes. items is not nil for an iteration.
//
// Errors: errDead; the cause of the end of ctx. Nothing was sent then.
func (l *link) begin(ctx context.Context, it *items, size int) (*request, error) {
	l.mu.Lock()
	for l.inFlight >= l.server.Concurrent && l.cause == nil {
		if l.room == nil {
			l.room = make(chan struct{})
		}
		room := l.room
		l.mu.Unlock()
		began := wait.Start(ctx)
		select {
		case <-room:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d calls of this process to %s are under way: %w", l.server.Concurrent, l.address,
				wait.Late(ctx, context.Cause(ctx), began))
		}
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if l.dead.Load() {
		return nil, errDead
	}
	var index uint32
	if n := len(l.free); n > 0 {
		index, l.free = l.free[n-1], l.free[:n-1]
	} else {
		index = uint32(len(l.requests))
		l.requests = append(l.requests, nil)
	}
	l.serials++
	l.sent += uint64(frame.HeadSize + size)
	q := l.spare
	if l.spare = nil; q == nil {
		q = requestPool.Get().(*request)
	}
	done, buf := q.done, q.buf
	*q = request{}
	q.call, q.index, q.end = uint64(l.serials)<<32|uint64(index), index, l.sent
	q.done, q.buf, q.items = done, buf, it
	q.quickly = ctx.Done() == nil && it == nil
	q.aside = !q.quickly && l.sent-l.read > smallInFlight
	l.requests[index] = q
	l.inFlight++
	if q.quickly && !l.leading && l.inFlight == 1 {
		l.leading, q.leads = true, true
		l.turns++
	}
	return q, nil
}

// recycle keeps the request for later ones. Nothing leads to it any more.
func (q *request) recycle() {
	if cap(q.buf) > maxKept {
		q.buf = nil
	}
	requestPool.Put(q)
}

// send sends a request. h says kind, flags, method, object.
//
// Errors: the cause of the end of ctx; errDead: nothing was sent; a [*LostError]. The request has
// ended then.
func (l *link) send(ctx context.Context, q *request, h *frame.Head, payload []byte) error {
	h.Call, h.Incarnation = q.call, l.incarnation
	if q.quickly {
		h.Flags |= flagDetach
	}
	if deadline, ok := ctx.Deadline(); ok {
		h.Left = max(int64(time.Until(deadline)), 1)
	}
	if len(payload) > frame.MaxPayload {
		select {
		case l.large <- struct{}{}:
			defer func() { <-l.large }()
		case <-ctx.Done():
			l.forget(q, false)
			return context.Cause(ctx)
		}
	}
	mode := frame.Inline
	if q.aside {
		mode = frame.Aside
	}
	end, err := l.w.Send(ctx, mode, h, payload)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !l.isOver() {
		l.forget(q, end > 0)
		return context.Cause(ctx)
	}
	l.fail(err)
	if end == 0 {
		return errDead
	}
	return l.await(ctx, q)
}

// forget ends a request that was not sent, or of which the server has only some pieces.
func (l *link) forget(q *request, begun bool) {
	if begun {
		l.cancelRequest(q)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !q.over {
		q.abandoned = true
		l.complete(q)
	}
}

func (l *link) cancelRequest(q *request) {
	l.w.Send(context.Background(), frame.Control, &frame.Head{Kind: kindCancel, Call: q.call}, nil)
}

// await waits for the answer. After a nil error the answer is in q, and the caller calls finish;
// after another one q is not the caller's any more.
//
// Errors: the cause of the end of ctx; a [*LostError].
func (l *link) await(ctx context.Context, q *request) error {
	if q.leads {
		if l.readFor(q) {
			return nil
		}
	} else {
		l.mu.Lock()
		vacant := !l.leading && !q.over
		l.mu.Unlock()
		if vacant {
			l.kickReader()
		}
		began := wait.Start(ctx)
		select {
		case <-q.done:
		case <-ctx.Done():
			if l.abandon(q) {
				return fmt.Errorf("no answer from %s: %w", l.address, wait.Late(ctx, context.Cause(ctx), began))
			}
			<-q.done
		}
	}
	if q.err != nil {
		err := q.err
		l.finish(q)
		return err
	}
	return nil
}

// abandon gives up a request, and tells the server. It reports false when the answer is there.
func (l *link) abandon(q *request) bool {
	l.mu.Lock()
	if q.over {
		l.mu.Unlock()
		return false
	}
	q.abandoned = true
	l.mu.Unlock()
	l.cancelRequest(q)
	return true
}

// finish ends the use of an answer.
func (l *link) finish(q *request) {
	if q.leads {
		l.passLead(q, true)
		return
	}
	q.recycle()
}

// keep copies an answer that lies in the buffer of the connection, and passes the lead on: what
// happens to the answer then may make calls itself.
func (l *link) keep(q *request) {
	if q.leads {
		q.buf = append(q.buf[:0], q.payload...)
		q.payload = q.buf
		l.passLead(q, false)
		q.leads = false
	}
}

// ask sends a request, and returns a copy of the answer's payload, and the serial number of the
// reference that came, or 0.
func (l *link) ask(ctx context.Context, what string, h *frame.Head, payload []byte) (b []byte, serial uint64, err error) {
	q, err := l.begin(ctx, nil, len(payload))
	if err != nil {
		return nil, 0, err
	}
	if err = l.send(ctx, q, h, payload); err == nil {
		err = l.await(ctx, q)
	}
	if err != nil {
		return nil, 0, named(err, what)
	}
	defer l.finish(q)
	l.keep(q)
	if q.kind == kindError {
		return nil, 0, l.errorFrom(what, q.payload)
	}
	if q.flags&flagRef != 0 {
		serial = q.object
	}
	return append([]byte(nil), q.payload...), serial, nil
}

// named says in an error of a connection what was under way.
func named(err error, what string) error {
	if lost, ok := err.(*LostError); ok {
		return &LostError{Manager: lost.Manager, Call: what, Cause: lost.Cause}
	}
	if err == errDead {
		return err
	}
	return fmt.Errorf("manager: %s: %w", what, err)
}
