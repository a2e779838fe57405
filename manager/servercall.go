package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/internal/guard"
)

// A serverCall is a request that the server works on.
type serverCall struct {
	e      *session
	h      frame.Head
	m      *methodInfo // of a call
	o      *object     // of a call: one reference is the call's
	arg    []byte      // valid until the method has decoded it
	chain  []link8     // the exclusive objects that the caller holds
	mode   frame.Mode  // how the result is written
	ctx    context.Context
	cancel context.CancelFunc // nil: nothing cancels it
	noted  bool               // it counts in session.running
	done   bool               // the result, or an error, was sent
	begun  time.Time          // when the method began, where send tells its speed; else zero

	credit chan struct{} // of an iteration: has a value when there may be room
	room   int64         // bytes that may be sent; guarded by session.mu
	buf    []byte        // that arg is copied to
	aside  func()        // runs it in a goroutine of its own; kept for later requests
}

var serverCalls = sync.Pool{New: func() any { return new(serverCall) }}

// maxKept bounds the memory that a serverCall keeps for later ones, in bytes.
const maxKept = 64 << 10

// request begins a request. It reports false when another goroutine goes on reading.
func (e *session) request(h *frame.Head, payload []byte) (reads bool) {
	c := e.spare
	if e.spare = nil; c == nil {
		c = serverCalls.Get().(*serverCall)
	}
	if c.aside == nil {
		c.aside = c.runAside
	}
	*c = serverCall{e: e, h: *h, arg: payload, mode: frame.Inline, ctx: e.ctx, buf: c.buf[:0], aside: c.aside}
	if err := c.begin(); err != nil {
		c.fail(serverFailure(classOf(err), err))
		c.end()
		return true
	}
	if c.m != nil {
		is, measure := c.m.speed.isQuick()
		if is && c.m.raw && c.cancel == nil && c.o.turn == nil && len(payload) <= maxInline {
			c.copyArg() // another goroutine may go on reading before the method has begun
			return c.runInline(measure)
		}
	}
	c.copyArg()
	select {
	case e.slots <- struct{}{}: // one of those that run ends
		e.s.work.Add(1)
		go c.aside() // WaitGroup.Go, and a method value, would allocate
	case <-e.ctx.Done():
		c.end()
	}
	return true
}

// maxInline is the size in bytes of the largest argument with which a method runs on the goroutine
// that reads.
const maxInline = 4 << 10

// copyArg copies the argument out of the buffer of the connection.
func (c *serverCall) copyArg() {
	c.arg = append(c.buf, c.arg...)
	c.buf = c.arg
}

// runInline runs a quick method on the goroutine that reads.
func (c *serverCall) runInline(measure bool) (reads bool) {
	e, m := c.e, c.m
	returned := false
	defer func() {
		if !returned { // the method has ended this goroutine
			e.w.Flush()
			c.end()
		}
	}()
	c.mode = frame.Later
	n := e.turn.Load() + 1
	e.turn.Store(n)
	e.callWatch()
	if measure {
		c.begun = time.Now()
	}
	c.call()
	returned = true
	if !e.turn.CompareAndSwap(n, n+1) {
		m.speed.block()
		e.w.Flush()
		c.end()
		return false
	}
	e.s.drop(c.o, 1)
	e.answered++ // see flush
	c.o, e.spare = nil, c
	return true
}

// runAside runs a request in a goroutine of its own.
func (c *serverCall) runAside() {
	e := c.e
	defer func() { <-e.slots; c.end(); e.s.work.Done() }()
	if c.h.Kind != kindCall {
		c.admin()
		return
	}
	c.begun = time.Now()
	c.call()
}

// begin finds what a request is about, and notes it.
func (c *serverCall) begin() error {
	e := c.e
	if c.h.Kind == kindCall {
		if c.m = methodOf(c.h.Method); c.m == nil {
			return fmt.Errorf("%w: it has no method %d", errNoMethod, c.h.Method)
		}
	}
	if c.h.Flags&flagChain != 0 {
		if err := c.takeChain(); err != nil {
			return err
		}
	}
	if c.h.Left > 0 {
		c.ctx, c.cancel = context.WithTimeout(e.ctx, time.Duration(c.h.Left))
	} else if c.h.Flags&flagDetach == 0 || c.h.Flags&flagIterate != 0 {
		c.ctx, c.cancel = context.WithCancel(e.ctx)
	}
	if len(c.chain) > 0 {
		c.ctx = context.WithValue(c.ctx, chainKey{}, c.chain)
	}
	if c.h.Flags&flagIterate != 0 {
		c.credit, c.room = make(chan struct{}, 1), window
	}
	return c.note()
}

// note adds the request to those of the session, and finds the object of a call, of which the call
// has one reference.
func (c *serverCall) note() error {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.m != nil {
		if c.o = e.use(&c.h); c.o == nil {
			return fmt.Errorf("%w: object %d", ErrGone, c.h.Object)
		}
		if c.m.t != c.o.t {
			return fmt.Errorf("%w: object %d is of type %q", errNoMethod, c.h.Object, c.o.t.name)
		}
	}
	if e.ended || e.farewell {
		return fmt.Errorf("%w: the manager takes no more calls", ErrClosed)
	}
	e.running++
	c.noted = true
	if c.cancel != nil {
		if e.calls[c.h.Call] != nil {
			return fmt.Errorf("%w: call %d is under way", errProtocol, c.h.Call)
		}
		e.calls[c.h.Call] = c
	}
	return nil
}

// end gives back what the request has.
func (c *serverCall) end() {
	e := c.e
	if c.cancel != nil {
		c.cancel()
	}
	if c.o != nil {
		e.s.drop(c.o, 1)
	}
	e.mu.Lock()
	if c.cancel != nil && e.calls[c.h.Call] == c {
		delete(e.calls, c.h.Call)
	}
	if c.noted {
		e.finish(1)
	}
	e.mu.Unlock()
	if c.cancel != nil { // a cancel or a credit may still lead here
		return
	}
	*c = serverCall{buf: c.buf, aside: c.aside}
	if cap(c.buf) > maxKept {
		c.buf = nil
	}
	serverCalls.Put(c)
}

// finish notes that n requests have been answered. The caller holds mu.
func (e *session) finish(n int) {
	if e.running -= n; e.running == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// cancelCall ends the context of a request.
func (e *session) cancelCall(call uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.calls[call]; c != nil {
		c.cancel()
	}
}

// more gives an iteration room for so many bytes.
func (e *session) more(call, bytes uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.calls[call]
	if c == nil || c.credit == nil {
		return
	}
	// one large value may have taken more than all
	c.room = min(c.room+int64(min(bytes, 1<<40)), window)
	select {
	case c.credit <- struct{}{}:
	default:
	}
}

// call runs the method, and sends what it returns.
func (c *serverCall) call() {
	if c.o.turn != nil {
		if err := c.takeTurn(); err != nil {
			c.fail(serverFailure(classOf(err), err))
			return
		}
		defer func() { c.o.turn <- struct{}{} }()
	}
	returned := false
	defer func() {
		if !returned {
			p := guard.Recovered(recover())
			c.fail(failure{Class: failedPanic, Text: p.Value, Stack: p.Stack})
		}
	}()
	err := c.m.run(c.ctx, c.o.value, frame.Value(c.h.Flags, c.arg), c)
	returned = true
	switch {
	case err == nil:
	case isArgError(err):
		c.fail(serverFailure(failedServer, err))
	default:
		c.fail(failureOf(err))
	}
}

func isArgError(err error) bool {
	var a *argError
	return errors.As(err, &a)
}

// classOf says which error the client makes of an error of the server.
func classOf(err error) failureClass {
	switch {
	case errors.Is(err, ErrGone):
		return failedGone
	case errors.Is(err, ErrExclusive):
		return failedExclusive
	case errors.Is(err, ErrClosed):
		return failedClosing
	case errors.Is(err, errNoMethod):
		return failedNoMethod
	case errors.Is(err, errOtherType):
		return failedMismatch
	}
	return failedServer
}

var errNoMethod = errors.New("is not declared")
