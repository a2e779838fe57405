package wait

import (
	"context"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/futex"
)

// ErrClosed says that the caller's own process closed the segment.
var ErrClosed = fmt.Errorf("the segment is closed: %w", os.ErrClosed)

// A Closer tells every wait of one attachment, or for one object, parked or not, that it is over.
type Closer struct {
	word uint32 // futex; 1: closed

	mu   sync.Mutex
	done chan struct{} // nil: Done has not been called
}

// NewCloser returns an open Closer.
func NewCloser() *Closer { return new(Closer) }

// Close ends all waits, now and later. It may be called again.
func (c *Closer) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Closed() {
		return
	}
	atomic.StoreUint32(&c.word, 1)
	if c.done != nil {
		close(c.done)
	}
	futex.Wake(&c.word, math.MaxInt32)
}

// Closed reports whether Close was called.
func (c *Closer) Closed() bool { return atomic.LoadUint32(&c.word) != 0 }

// Done is closed by Close.
func (c *Closer) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.Closed() {
			close(c.done)
		}
	}
	return c.done
}

// Over reports why a wait must end without success: [ErrClosed] or the cause of
// the context's end. It is nil when the wait may go on.
func Over(ctx context.Context, c *Closer) error {
	if c.Closed() {
		return ErrClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
