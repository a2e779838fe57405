package pipe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
)

// A direction is what all reads, or all writes, at one end share.
type direction struct {
	mu      sync.Mutex    // its holder reads, or writes
	stopped atomic.Uint32 // why reads, or writes, must end: the bits stopped…
	retired bool          // it does not touch the shared memory any more; guarded by mu
	moving  *atomic.Uint64

	timer *time.Timer // applies the deadline; guarded by Conn.ctl
	// counts the settings of the deadline: an earlier one's timer is void; guarded by Conn.ctl
	setting uint64

	// For the holder of mu; made once, so that waiting allocates nothing.
	err         error
	looks       uint32
	checkCached func() bool // reports whether a wait is over, by a load or two
	checkExact  func() bool // the same, as exactly as the wait asks for; see levelFor
	checkTail   func() bool // checkCached, after some looks at the tail alone
	watch       func(*lock.Watch)
}

const (
	stoppedByClose uint32 = 1 << iota
	stoppedByHalf         // CloseRead, or CloseWrite
	stoppedByDeadline
)

// errWait says that a look has found nothing.
var errWait = errors.New("pipe: not yet")

// A checkLevel is how exact a look is.
type checkLevel int

const (
	cached    checkLevel = iota // a load or two
	exact                       // and what the reader has not told yet
	peerAlive                   // and the life of the process at the other end
)

// levelFor is how exact the looks of a long wait are. A look at a life may cost a system call: a
// spinning wait takes it now and then.
func (c *Conn) levelFor(d *direction) checkLevel {
	if d.looks++; c.policy == wait.Spinning && d.looks%64 != 1 {
		return exact
	}
	return peerAlive
}

// bindWaits makes the functions of both directions.
func (c *Conn) bindWaits() {
	c.rd.checkCached = func() bool { c.rd.err = c.data(cached); return c.rd.err != errWait }
	c.rd.checkExact = func() bool { c.rd.err = c.data(c.levelFor(&c.rd)); return c.rd.err != errWait }
	c.rd.checkTail = func() bool {
		c.in.PollTail()
		return c.rd.checkCached()
	}
	c.wr.checkCached = func() bool { c.wr.err = c.room(cached); return c.wr.err != errWait }
	c.wr.checkExact = func() bool { c.wr.err = c.room(c.levelFor(&c.wr)); return c.wr.err != errWait }
	c.wr.checkTail = c.wr.checkCached
	c.rd.watch, c.wr.watch = c.watch, c.watch
}

// stopError is why a direction must not go on, or nil.
func (c *Conn) stopError(d *direction) error {
	switch w := d.stopped.Load(); {
	case w&stoppedByClose != 0:
		return net.ErrClosed
	case c.p.Closer.Closed():
		return errOwnSegment
	case w&stoppedByDeadline != 0:
		return os.ErrDeadlineExceeded
	case w&stoppedByHalf != 0 && d == &c.rd:
		return io.EOF
	case w&stoppedByHalf != 0:
		return errno.BrokenPipe
	}
	return nil
}

// concluded is the conclusion err of a look at the pipe, unless this process has left the segment
// meanwhile: the look may have met memory of its own then, which is empty.
func (c *Conn) concluded(d *direction, err error) error {
	if c.p.Closer.Closed() {
		return c.stopError(d)
	}
	return err
}

// data finds out up to which position there are bytes to read.
//
// Errors: [errWait]; why there will be none.
func (c *Conn) data(level checkLevel) error {
	if err := c.stopError(&c.rd); err != nil {
		return err
	}
	// SYNC: end: an end that has shut the stream, or is dead, published all of it
	// before.
	peer := c.peer().Load()
	dead := level == peerAlive && c.ownerDead(peer)
	if !c.in.Published() {
		return c.concluded(&c.rd, c.p.Corrupt())
	}
	switch {
	case c.in.HasBytes():
		return nil
	case peer&writeShut != 0:
		return c.concluded(&c.rd, io.EOF)
	case dead:
		return c.concluded(&c.rd, io.ErrUnexpectedEOF)
	}
	c.in.GiveBack() // the writer may wait for what was read
	return errWait
}

// room finds out up to which position there is room to write.
//
// Errors: [errWait]; why there will be none.
func (c *Conn) room(level checkLevel) error {
	if err := c.stopError(&c.wr); err != nil {
		return err
	}
	peer := c.peer().Load()
	if peer&readShut != 0 || level == peerAlive && c.ownerDead(peer) {
		return c.concluded(&c.wr, errno.BrokenPipe)
	}
	if !c.out.Room(level != cached) {
		return c.concluded(&c.wr, c.p.Corrupt())
	}
	if !c.out.HasRoom() {
		return errWait
	}
	return nil
}

// watch ends a sleep with the death of the process at the other end.
func (c *Conn) watch(w *lock.Watch) { w.Process(ownerOfEnd(c.peer().Load())) }

// await waits until a direction can go on, or never will.
func (c *Conn) await(d *direction, mine, other *ring.SpinWait) error {
	d.looks = 0
	if d.checkCached() {
		return d.err
	}
	check := d.checkCached
	if c.policy == wait.Spinning {
		check = d.checkTail
	}
	policy, over := mine.SpinThen(c.policy, other, check)
	if over {
		if c.policy == wait.Adaptive {
			mine.Adapt(false)
		}
		return d.err
	}
	if err := mine.Event.Await(context.Background(), policy, d.checkExact, d.watch); err != nil {
		return errOwnSegment
	}
	return d.err
}
