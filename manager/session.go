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
)

// A session is the server's side of one connection.
//
// One goroutine at a time reads. It runs quick methods itself; a watch sees that one of them
// blocks, and has another goroutine go on reading. All other requests run in goroutines of their
// own, at most Options.Concurrent of them: then the reader waits, and so, in the end, does the
// client.
type session struct {
	s      *Server
	conn   net.Conn
	w      *frame.Writer
	r      *frame.Reader
	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{} // has a value for each request that runs in a goroutine of its own
	large  chan struct{} // has a value while a large result is being sent

	// of the goroutine that reads
	part     frame.Assembly // of the one large argument that is under way
	partOf   uint64
	spare    *serverCall // for the next request
	answered int         // requests in running with answers that flush sends

	turn     atomic.Uint64 // odd while the goroutine that reads runs a method, see watch
	watching atomic.Bool
	wake     chan struct{}
	remote   bool         // see isRemote
	heard    atomic.Int64 // when the read that is under way began, in Unix nanoseconds; 0: none is

	mu       sync.Mutex
	held     map[uint64]*holding    // by serial
	last     *holding               // that of the last call; nil before the first
	calls    map[uint64]*serverCall // those that can be cancelled, or take flow control
	running  int                    // requests that have not been answered
	idle     chan struct{}          // closed when running is 0; nil: not awaited
	ended    bool
	farewell bool // no new requests
}

// A holding are the references that a connection has to one object.
type holding struct {
	o *object
	n int64
}

func newSession(s *Server, conn net.Conn) *session {
	e := &session{s: s, conn: conn, remote: isRemote(conn), r: frame.NewReader(conn), held: map[uint64]*holding{}, calls: map[uint64]*serverCall{},
		slots: make(chan struct{}, s.o.Concurrent), large: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	e.w = frame.NewWriter(conn, e.end)
	e.ctx, e.cancel = context.WithCancel(s.ctx)
	return e
}

// begin sends the welcome and begins to serve. The caller holds Server.mu.
func (e *session) begin() {
	b, err := wire.Encode(e.s.welcome())
	if err != nil {
		panic(fmt.Sprintf("manager: encode a welcome: %v", err)) // it has only texts and numbers
	}
	e.s.work.Go(func() {
		e.w.Send(e.ctx, frame.Inline, &frame.Head{Kind: kindHello}, b)
		e.serve()
	})
	e.s.work.Go(e.watch)
	if e.remote {
		e.s.work.Go(func() { keepAlive(e.ctx, e.w, e.s.o.Silence, &e.heard, e.end) })
	}
}

// welcome says what the server knows.
func (s *Server) welcome() welcome {
	registry.RLock()
	defer registry.RUnlock()
	w := welcome{Name: s.address, Build: build(), Incarnation: s.incarnation, Concurrent: s.o.Concurrent, Max: s.o.Max}
	for _, t := range registry.types {
		w.Types = append(w.Types, signature{t.name, t.form})
	}
	for _, m := range registry.order {
		w.Methods = append(w.Methods, signature{m.name, m.form})
	}
	return w
}

// serve reads until the connection ends, or another goroutine goes on reading.
func (e *session) serve() {
	finished := false
	defer func() {
		if finished {
			return
		}
		// a method has ended this goroutine
		if n := e.turn.Load(); n%2 == 1 && e.turn.CompareAndSwap(n, n+1) {
			e.s.work.Go(e.serve) // it read
		}
	}()
	e.flush() // what another goroutine has left
	for reads := true; reads; {
		h, payload, err := e.next()
		if err == nil {
			reads, err = e.handle(h, payload)
		}
		if err != nil {
			e.end(err)
			break
		}
		if reads && !e.r.Buffered() {
			e.flush()
		}
	}
	finished = true
}

// flush sends the answers of requests that the reader has run itself. They count in running until
// then, lest Close overtakes them.
func (e *session) flush() {
	if e.answered == 0 {
		return
	}
	e.w.Flush()
	e.mu.Lock()
	e.finish(e.answered)
	e.mu.Unlock()
	e.answered = 0
}

// next reads the next frame, and notes for keepAlive since when.
func (e *session) next() (h *frame.Head, payload []byte, err error) {
	if !e.remote {
		return e.r.Next()
	}
	e.heard.Store(time.Now().UnixNano())
	h, payload, err = e.r.Next()
	e.heard.Store(0) // while it does not read it hears nothing
	return h, payload, err
}

// errProtocol says that a client has broken the rules.
var errProtocol = errors.New("the client breaks the protocol")

// handle does what a frame says. reads is false when another goroutine goes on reading.
func (e *session) handle(h *frame.Head, payload []byte) (reads bool, err error) {
	switch h.Kind {
	case frame.Chunk:
		if e.part.Len() > 0 && h.Call != e.partOf {
			return true, fmt.Errorf("%w: two large arguments at once", errProtocol)
		}
		e.partOf = h.Call
		return true, e.part.Add(payload, e.s.o.Max)
	case kindCall, kindNew, kindNamed, kindRemove, kindPin, kindRedeem, kindList:
		if h.Flags&frame.Chunked != 0 {
			if e.part.Len() == 0 || h.Call != e.partOf {
				return true, fmt.Errorf("%w: a last piece without others", errProtocol)
			}
			if payload, err = e.part.Last(payload, e.s.o.Max); err != nil {
				return true, err
			}
		}
		return e.request(h, payload), nil
	case kindRelease:
		e.release(h.Object, int64(h.Call))
	case kindCancel:
		if e.part.Len() > 0 && h.Call == e.partOf {
			e.part = frame.Assembly{} // of an argument that does not come any more
		}
		e.cancelCall(h.Call)
	case kindMore:
		e.more(h.Call, h.Object)
	case kindPing:
	case kindBye:
		return true, net.ErrClosed
	default:
		return true, fmt.Errorf("%w: a frame of the kind %d", errProtocol, h.Kind)
	}
	return true, nil
}

// hold adds a reference of the connection to an object, of which the caller hands one over. It
// reports false when the connection has ended: then the caller still has its own.
func (e *session) hold(o *object) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return false
	}
	h := e.held[o.serial]
	if h == nil {
		h = &holding{o: o}
		e.held[o.serial] = h
	}
	h.n++
	return true
}

// use returns the object of that number with one more reference, for a call, or nil when the
// connection has none. The caller holds mu.
func (e *session) use(h *frame.Head) *object {
	if h.Incarnation != e.s.incarnation {
		return nil
	}
	held := e.last
	if held == nil || held.n == 0 || held.o.serial != h.Object {
		if held = e.held[h.Object]; held == nil {
			return nil
		}
		e.last = held
	}
	held.o.refs.Add(1)
	return held.o
}

// release gives n references of the connection back.
func (e *session) release(serial uint64, n int64) {
	e.mu.Lock()
	h := e.held[serial]
	if h == nil || n < 1 {
		e.mu.Unlock()
		return
	}
	n = min(n, h.n)
	if h.n -= n; h.n == 0 {
		delete(e.held, serial)
	}
	e.mu.Unlock()
	e.s.drop(h.o, n)
}

// end ends the session: it releases what the connection held, and ends the contexts of its calls.
func (e *session) end(error) {
	e.mu.Lock()
	if e.ended {
		e.mu.Unlock()
		return
	}
	e.ended = true
	held := e.held
	e.held, e.last = nil, nil
	e.mu.Unlock()
	e.w.Fail(net.ErrClosed)
	e.conn.Close()
	e.cancel()
	for _, h := range held {
		e.s.drop(h.o, h.n)
	}
	e.s.mu.Lock()
	delete(e.s.sessions, e)
	e.s.mu.Unlock()
}

// goodbye tells the client that no more requests are taken.
func (e *session) goodbye() {
	e.mu.Lock()
	e.farewell = true
	e.mu.Unlock()
	e.w.Send(e.ctx, frame.Control, &frame.Head{Kind: kindBye}, nil)
}

// awaitIdle waits until all requests have been answered.
func (e *session) awaitIdle(ctx context.Context) error {
	e.mu.Lock()
	if e.running == 0 {
		e.mu.Unlock()
		return nil
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	idle := e.idle
	e.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-e.ctx.Done():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A method may hold up the goroutine that reads for firstWatch, or for lastWatch where it has been
// quick all the time: the time between two looks doubles meanwhile. A look costs a process some
// microseconds, and often its place on a processor.
const (
	firstWatch = time.Millisecond
	lastWatch  = 32 * time.Millisecond
)

// watchIdle is after how many looks without a quick call the watch sleeps.
const watchIdle = 4

// watch has another goroutine go on reading when the one that reads runs a method that blocks.
// turn is even while that goroutine reads; it adds one when it begins a method, and one by
// compare-and-swap when it has ended it. The watch adds that second one itself when it has seen the
// same odd number twice.
func (e *session) watch() {
	tick := time.NewTimer(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.wake:
		}
		period := firstWatch
		for last, idle := e.turn.Load(), 0; idle < watchIdle; {
			tick.Reset(period)
			select {
			case <-e.ctx.Done():
				return
			case <-tick.C:
			}
			n := e.turn.Load()
			if n == last && n%2 == 1 && e.turn.CompareAndSwap(n, n+1) {
				e.w.Flush()
				e.s.work.Go(e.serve)
			}
			if idle++; n != last {
				idle = 0
			}
			if period = min(2*period, lastWatch); n%2 == 1 && n != last {
				period = firstWatch // whether that method ends soon
			}
			last = n
		}
		e.watching.Store(false)
		if e.turn.Load()%2 == 1 {
			e.callWatch()
		}
	}
}

// callWatch makes sure that the watch does not sleep.
func (e *session) callWatch() {
	if !e.watching.Load() && e.watching.CompareAndSwap(false, true) {
		e.wake <- struct{}{}
	}
}
