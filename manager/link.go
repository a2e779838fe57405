package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/internal/handshake"
)

// A link is the client's side of one connection.
//
// One goroutine at a time reads: it has the lead. A caller that is alone, and that nothing cancels,
// takes the lead itself, so that its result wakes no other goroutine. In all other cases the
// link's own goroutine reads, and hands results to the callers.
type link struct {
	address     string
	conn        net.Conn
	w           *frame.Writer
	r           *frame.Reader // of the goroutine that has the lead
	server      welcome
	incarnation uint64
	numbers     []int          // of methods of the server, by the number here; -1: it has none
	methods     map[string]int // of the server, by name
	types       map[string]string
	max         int
	remote      bool
	heard       atomic.Int64  // see keepAlive
	large       chan struct{} // has a value while a large argument is being sent
	ended       chan struct{} // closed when the connection is lost
	dead        atomic.Bool   // no new requests
	kick        chan struct{} // has a value when the link's own goroutine shall take the lead

	mu       sync.Mutex
	cause    error // why it ended; guarded by mu
	requests []*request
	free     []uint32
	serials  uint32        // counts requests, lest a late answer meets another one
	inFlight int           // requests without an answer
	room     chan struct{} // closed when there may be room for a request; nil: not awaited
	leading  bool          // a goroutine has the lead
	turns    uint64        // counts its changes
	spare    *request      // that of the last leader, for the next request
	sent     uint64        // position in the stream: all frames so far
	read     uint64        // what the server has read at least
}

// A request is what this process waits for an answer to.
type request struct {
	call      uint64 // number in its lower half is the index in requests
	index     uint32
	leads     bool          // its goroutine has the lead
	quickly   bool          // nothing cancels it
	aside     bool          // it is written by another goroutine
	done      chan struct{} // gets a value at the end, unless its goroutine leads
	over      bool          // guarded by link.mu
	abandoned bool          // no goroutine waits any more; guarded by link.mu
	end       uint64        // position of the end of its frame

	kind    frame.Kind
	object  uint64 // with flagRef
	flags   uint8
	payload []byte
	err     error
	part    frame.Assembly
	items   *items // of an iteration
	buf     []byte
}

var requestPool = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// connect makes a link of a connection.
func connect(ctx context.Context, address string, conn net.Conn, o *Options) (*link, error) {
	if err := handshake.New(o.Key).Do(ctx, conn); err != nil {
		handshake.Refuse(conn)
		return nil, err
	}
	l := &link{address: address, conn: conn, r: frame.NewReader(conn), max: o.Max, remote: isRemote(conn),
		large: make(chan struct{}, 1), ended: make(chan struct{}), kick: make(chan struct{}, 1)}
	l.w = frame.NewWriter(conn, l.fail)
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	err := l.readWelcome()
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	go l.run()
	if l.remote {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-l.ended; cancel() }()
		go keepAlive(ctx, l.w, o.Silence, &l.heard, l.fail)
	}
	return l, nil
}

// readWelcome reads the first frame, which may come in pieces.
func (l *link) readWelcome() error {
	var part frame.Assembly
	for {
		h, payload, err := l.r.Next()
		if err != nil {
			return err
		}
		if h.Kind == frame.Chunk {
			if err := part.Add(payload, l.max); err != nil {
				return err
			}
			continue
		}
		if payload, err = part.Last(payload, l.max); err != nil {
			return err
		}
		if h.Kind != kindHello {
			return fmt.Errorf("%w: the first is of the kind %d", frame.ErrGarbage, h.Kind)
		}
		if err := wire.Decode(payload, &l.server); err != nil {
			return fmt.Errorf("the welcome of the manager: %w", err)
		}
		break
	}
	l.incarnation = l.server.Incarnation
	l.server.Concurrent = max(l.server.Concurrent, 1)
	l.max = min(l.max, max(l.server.Max, 1))
	l.methods, l.types = map[string]int{}, map[string]string{}
	for i, m := range l.server.Methods {
		l.methods[m.Name] = i
	}
	for _, t := range l.server.Types {
		l.types[t.Name] = t.Form
	}
	registry.RLock()
	defer registry.RUnlock()
	for _, m := range registry.order {
		n, ok := l.methods[m.name]
		if !ok || l.server.Methods[n].Form != m.form {
			n = -1
		}
		l.numbers = append(l.numbers, n)
	}
	return nil
}

// number is the number of a method in the server.
//
// Errors: a [*NoMethodError].
func (l *link) number(m *methodInfo) (uint16, error) {
	if m.number < len(l.numbers) && l.numbers[m.number] >= 0 {
		return uint16(l.numbers[m.number]), nil
	}
	n, ok := l.methods[m.name]
	if ok && l.server.Methods[n].Form == m.form {
		return uint16(n), nil
	}
	reason := "is not declared"
	if ok {
		reason = fmt.Sprintf("is declared with other types: %q here, %q there", m.form, l.server.Methods[n].Form)
	}
	return 0, l.noMethod(m.name, reason)
}

func (l *link) noMethod(name, reason string) error {
	return &NoMethodError{Manager: l.address, Name: name, Reason: reason, Client: build(), Server: l.server.Build}
}

// fail ends the link: all requests that are under way get a [*LostError].
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return
	}
	l.cause = err
	l.dead.Store(true)
	l.w.Fail(err)
	l.conn.Close()
	for _, q := range l.requests {
		if q != nil {
			q.err = &LostError{Manager: l.address, Cause: err}
			l.complete(q)
		}
	}
	close(l.ended)
	l.tellRoom()
}

// dispatch hands a frame to the request that it is for. ends reports that it is the end of own,
// with a payload that is valid until the next read; or, without own, that the lead has been given
// away.
func (l *link) dispatch(h *frame.Head, payload []byte, own *request) (ends bool, err error) {
	switch h.Kind {
	case kindPing:
		return false, nil
	case kindBye:
		l.dead.Store(true)
		return false, nil
	case kindResult, kindError, kindItem, frame.Chunk:
	default:
		return false, fmt.Errorf("%w: one is of the kind %d", frame.ErrGarbage, h.Kind)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	index := uint32(h.Call)
	if int(index) >= len(l.requests) || l.requests[index] == nil || l.requests[index].call != h.Call {
		return false, fmt.Errorf("%w: an answer to no request", frame.ErrGarbage)
	}
	q := l.requests[index]
	l.read = max(l.read, q.end)
	switch h.Kind {
	case frame.Chunk:
		return false, q.part.Add(payload, l.max)
	case kindItem:
		return false, l.item(q, h, payload)
	}
	if h.Flags&frame.Chunked != 0 {
		if payload, err = q.part.Last(payload, l.max); err != nil {
			return false, err
		}
	} else if q != own {
		q.buf = append(q.buf[:0], payload...)
		payload = q.buf
	}
	q.kind, q.flags, q.object, q.payload = h.Kind, h.Flags, h.Object, payload
	quickly := q.quickly
	l.complete(q) // now it may be another request already
	if own == nil && quickly && l.inFlight == 0 {
		l.leading = false // the next request reads itself
		return true, nil
	}
	return q == own, nil
}

// complete ends a request. The caller holds mu.
func (l *link) complete(q *request) {
	l.requests[q.index] = nil
	l.free = append(l.free, q.index)
	l.inFlight--
	l.tellRoom()
	q.over = true
	if q.abandoned {
		if q.flags&flagRef != 0 && q.kind == kindResult {
			l.releaseRef(q.object)
		}
		return
	}
	if q.items != nil {
		q.items.finish(q)
	}
	if q.leads {
		return
	}
	q.done <- struct{}{}
}

// releaseRef gives a reference back. It does not wait.
func (l *link) releaseRef(serial uint64) {
	l.w.Send(context.Background(), frame.Control, &frame.Head{Kind: kindRelease, Call: 1, Object: serial, Incarnation: l.incarnation}, nil)
}

func (l *link) tellRoom() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}
