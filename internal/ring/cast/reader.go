package cast

import (
	"context"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Reader is one subscription. One goroutine at a time uses it.
type Reader struct {
	r     *Ring
	cell  int
	state uint64 // of the cell while the reader is live

	Next   uint64 // position of the next message
	Until  uint64 // earlier positions are published; Next while a message is looked at
	there  uint64 // what Until is otherwise, if open
	end    uint64 // of the message that is looked at, or copied
	number uint64 // of the message that is copied
	seen   uint64 // how many messages were put before the next one
	open   bool   // a message is looked at
	size   uint64 // of the last message, or messages, that were read
	gather uint32 // how long messages gather before the next look

	policy  wait.Policy
	dies    bool   // the death of the one writer is an end
	err     error  // what the last look has found
	fenced  bool   // a barrier was issued since the broadcast was closed
	closing uint32 // for which closing that was
	look    func() bool
}

// A Join says how a reader joins.
type Join struct {
	Policy  wait.Policy
	Oldest  bool // begin at the oldest message that is kept, not at the next one
	EndDead bool // all messages of a dead writer having been read is an end: ErrWriterDied
}

// Subscribe adds a reader, for which writers wait from now on.
//
// Errors: ErrTooManyReaders, [lock.ErrClosed].
//
// What a death leaves behind: a cell of the dead, which a later subscriber takes; a writer that
// waits for a live one is woken by the death.
func (r *Ring) Subscribe(j Join) (*Reader, error) {
	for _, ofDead := range []bool{false, true} {
		for i := range r.states {
			if r.Closer.Closed() {
				return nil, r.Closer.Err()
			}
			state := r.states[i].Load()
			if state&phaseMask != free && !(ofDead && r.OwnerDead(ownerOf(state))) {
				continue
			}
			turn := turnOf(state) + oneTurn
			if !r.states[i].CompareAndSwap(state, stateOf(r.Me, joining, turn)) { // -> #1
				continue
			}
			crashpoint.Here("cast.joining")
			c := &Reader{r: r, cell: i, state: stateOf(r.Me, live, turn), policy: j.Policy, dies: j.EndDead && r.turns == nil}
			c.size = r.Capacity() // the first look is none of a stream
			c.look = func() bool {
				c.err = c.Messages()
				return c.err != ring.ErrEmpty
			}
			c.join(j.Oldest)
			return c, nil
		}
	}
	return nil, ErrTooManyReaders
}

// join makes the reader live. The cursor never goes back: a writer may go by what it has seen.
func (c *Reader) join(oldest bool) {
	r, cell := c.r, &c.r.cells[c.cell]
	for h := r.head.high.Load(); int(h) <= c.cell; h = r.head.high.Load() {
		r.head.high.CompareAndSwap(h, uint32(c.cell)+1)
	}
	first := r.head.tail.Load()
	if oldest {
		first = r.head.limit.Load() - r.Capacity()
	}
	cell.cursor.Store(first)
	crashpoint.Here("cast.placed")
	// SYNC: subscribe: exchanges. A look at the readers that has not seen this one came before the
	// loads below.
	r.states[c.cell].Swap(c.state) // #1 -> #2
	r.head.changes.Add(1)
	crashpoint.Here("cast.live")
	for {
		now := r.head.tail.Load()
		if oldest {
			now = r.head.limit.Load() - r.Capacity()
		}
		if int64(now-first) <= 0 { // a limit that is lower was taken back
			break
		}
		first = now
		cell.cursor.Store(first)
		if !oldest {
			break
		}
	}
	c.Next, c.Until = first, first
	c.seen = r.head.messages.Load()
	if number, ok := r.numberAt(first); r.longest != 0 && ok {
		c.seen = number
	}
	crashpoint.Here("cast.joined")
	c.wakeWriter()
	r.joins.NotifyAll()
}

// live reports whether writers still wait for this reader. Asked after a copy, it says that the
// copy is whole.
func (c *Reader) live() bool {
	// SYNC: expelled: the copy was made before this look.
	cpu.LoadFence()
	return c.r.states[c.cell].Load() == c.state && !c.r.Closer.Closed()
}

// Live is live for the package above; a Lost follows where it reports false.
func (c *Reader) Live() bool { return c.live() }

// Lost is why the reader is not live.
//
// Errors: ErrExpelled, [ring.ErrNotHeld], [lock.ErrClosed].
func (c *Reader) Lost() error {
	c.Until = c.Next // the next get asks first
	switch {
	case c.r.Closer.Closed():
		return c.r.Closer.Err()
	case c.r.states[c.cell].Load() == c.state&^phaseMask|expelled:
		return ErrExpelled
	}
	return ring.ErrNotHeld
}

// Unread is how many messages were put that the reader has not got.
func (c *Reader) Unread() uint64 {
	r := c.r
	if r.longest == 0 {
		return uint64(max(int64(r.head.tail.Load()-c.Next), 0))
	}
	return uint64(max(int64(r.published()-c.seen), 0))
}

// Len is how many messages there are to get.
func (c *Reader) Len() uint64 {
	if !c.live() {
		return 0
	}
	return c.r.lag(c.Next)
}

// Close ends the subscription: no writer waits for this reader any longer. It may be called again.
//
// What a death leaves behind: before the swap a live cell of the dead; after it a writer that waits
// for the reader, and is woken by the death.
func (c *Reader) Close() {
	r, state := c.r, &c.r.states[c.cell]
	if r.Closer.Closed() {
		return // with the attachment the reader has gone
	}
	for _, have := range []uint64{c.state, c.state&^phaseMask | expelled} {
		if !state.CompareAndSwap(have, stateOf(ring.Nobody, free, turnOf(have))) { // -> #0
			continue
		}
		crashpoint.Here("cast.closed.reader")
		if a := r.head.awaited.Load(); a == 0 || a&awaitedCell == uint64(c.cell+1) {
			r.Room.Event.NotifyAll()
		}
	}
}

// AwaitReaders waits until n readers of living processes are subscribed.
//
// Errors: the context's error, [lock.ErrClosed].
func (r *Ring) AwaitReaders(ctx context.Context, policy wait.Policy, n int) error {
	began := wait.Start(ctx)
	for {
		have := r.subscribed()
		if have >= n {
			return nil
		}
		// The leader among the goroutines of the process leaves at each change, so that each looks
		// for its own number.
		if err := r.joins.Await(ctx, policy, func() bool { return r.subscribed() != have }, nil); err != nil {
			return wait.Late(ctx, err, began)
		}
	}
}

// Ring is what the reader reads.
func (c *Reader) Ring() *Ring { return c.r }
