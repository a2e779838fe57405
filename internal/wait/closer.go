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

	gone   atomic.Uint64 // what word is, and never later; see Gone
	reason error         // of a closer that was made closed; nil: ErrClosed

	mu   sync.Mutex
	done chan struct{} // nil: Done has not been called
}

// NewCloser returns an open Closer.
func NewCloser() *Closer { return new(Closer) }

// NewRefusal returns a closed Closer, the waits of which end with err: that of a process which may
// only read.
func NewRefusal(err error) *Closer {
	c := &Closer{reason: err, word: 1} // no process waits for it yet
	c.gone.Store(1)
	return c
}

// Err is why the waits of a closed Closer end: [ErrClosed], unless it was made by NewRefusal.
func (c *Closer) Err() error {
	if c.reason != nil {
		return c.reason
	}
	return ErrClosed
}

// Gone is a word that is 0 until the Closer is closed.
func (c *Closer) Gone() *atomic.Uint64 { return &c.gone }

// Close ends all waits, now and later. It may be called again.
func (c *Closer) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Closed() {
		return
	}
	c.gone.Store(1)
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

// Over reports why a wait must end without success: [Closer.Err], or the cause of the context's
// end. It is nil when the wait may go on.
func Over(ctx context.Context, c *Closer) error {
	if c.Closed() {
		return c.Err()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
