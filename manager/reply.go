package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/frame"
)

// result sends the result of a request, or why it cannot be encoded.
func (c *serverCall) result(b []byte, err error) error {
	if err == nil && len(b) > c.e.s.o.Max {
		err = fmt.Errorf("%w: a result of %d bytes, at most %d are possible", ErrTooLarge, len(b), c.e.s.o.Max)
	}
	if err != nil {
		c.fail(serverFailure(failedServer, fmt.Errorf("encode the result: %w", err)))
		return nil
	}
	c.send(kindResult, 0, 0, b)
	return nil
}

// made sends a reference to an object that the request has made.
func (c *serverCall) made(t *typeInfo, value any) { c.reference(c.e.s.add(t, value)) }

// reference sends a reference, of which the caller hands one over.
func (c *serverCall) reference(o *object) {
	if !c.e.hold(o) {
		c.e.s.drop(o, 1)
		return
	}
	c.send(kindResult, flagRef, o.serial, nil)
}

// fail sends a failure.
func (c *serverCall) fail(f failure) {
	if !c.done {
		c.send(kindError, 0, 0, encodeFailure(f))
	}
}

// send sends what ends the request. What a method takes does not include the connection, where a
// write may take as long as it likes.
func (c *serverCall) send(kind frame.Kind, flags uint8, object uint64, b []byte) {
	c.done = true
	if !c.begun.IsZero() {
		c.m.speed.add(time.Since(c.begun))
	}
	e := c.e
	h := &frame.Head{Kind: kind, Flags: flags, Call: c.h.Call, Object: object, Incarnation: e.s.incarnation}
	h.Mark(b)
	c.write(h, b)
}

// write writes one payload. Large ones come one after the other. The end of the connection ends
// the wait.
func (c *serverCall) write(h *frame.Head, b []byte) error {
	e := c.e
	mode := c.mode
	if len(b) > frame.MaxPayload {
		mode = frame.Inline
		select {
		case e.large <- struct{}{}:
			defer func() { <-e.large }()
		case <-e.ctx.Done():
			return context.Cause(e.ctx)
		}
	}
	_, err := e.w.Send(e.ctx, mode, h, b)
	return err
}

// item sends one value of an iteration, when the client has room for it.
func (c *serverCall) item(ctx context.Context, b []byte, err error) error {
	if err == nil && len(b) > c.e.s.o.Max {
		err = fmt.Errorf("%w: a value of %d bytes, at most %d are possible", ErrTooLarge, len(b), c.e.s.o.Max)
	}
	if err != nil {
		return &argError{fmt.Errorf("encode a value: %w", err)}
	}
	if c.credit == nil {
		return &argError{errors.New("the method yields: use Each")}
	}
	for {
		c.e.mu.Lock()
		there := c.room > 0
		if there {
			c.room -= int64(frame.HeadSize + len(b))
		}
		c.e.mu.Unlock()
		if there {
			h := &frame.Head{Kind: kindItem, Call: c.h.Call}
			h.Mark(b)
			return c.write(h, b)
		}
		select {
		case <-c.credit:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
