package queue

import (
	"net"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
)

// Close closes this end. The other one can still read what was written, and then gets [io.EOF]; its
// writes fail. Reads and Writes of this end that are under way, and all later ones, get [net.ErrClosed]. Close never waits for
// the other process, and may be called again.
func (c *Pipe) Close() error {
	c.ctl.Lock()
	if c.closed {
		c.ctl.Unlock()
		return nil
	}
	c.closed = true
	for _, s := range []*pipeSide{&c.rd, &c.wr} {
		s.turn++
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	c.halt(&c.rd, &c.in.Get.SpinWait, stoppedByClose)
	c.halt(&c.wr, &c.out.Put.SpinWait, stoppedByClose)
	c.shut(writeShut | readShut)
	c.ctl.Unlock()
	c.retire(&c.rd)
	c.retire(&c.wr)
	c.letGo()
	runtime.KeepAlive(c)
	return nil
}

// CloseWrite closes this end for writing: the other one gets [io.EOF] when it has read what was written. Writes of this
// end that are under way, and later ones, fail with [syscall.EPIPE].
//
// Errors: a [*net.OpError] with [net.ErrClosed].
func (c *Pipe) CloseWrite() error {
	return c.closeHalf(&c.wr, &c.out.Put.SpinWait, writeShut)
}

// CloseRead closes this end for reading: writes of the other one fail from now on, and Reads of this end give [io.EOF].
//
// Errors: a [*net.OpError] with [net.ErrClosed].
func (c *Pipe) CloseRead() error {
	return c.closeHalf(&c.rd, &c.in.Get.SpinWait, readShut)
}

func (c *Pipe) closeHalf(s *pipeSide, mine *ring.SpinWait, half uint32) error {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if err := c.closedError(); err != nil {
		return err
	}
	c.halt(s, mine, stoppedByShut)
	c.shut(half)
	runtime.KeepAlive(c)
	return nil
}

// closedError is what a method of a closed end returns. The caller has c.ctl.
func (c *Pipe) closedError() error {
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.p.Closer.Closed():
		return c.opError("close", errOwnSegment)
	}
	return nil
}

// halt has a side, whose reads or writes may be asleep, stop for a reason.
func (c *Pipe) halt(s *pipeSide, mine *ring.SpinWait, why uint32) {
	s.stop.Or(why)
	mine.Event.NotifyAll()
}

// shut tells the other end what this one does no more. The caller has c.ctl, and has halted what is shut.
//
// What a death leaves behind: a flag that the other end, if it sleeps, sees when it notices the death.
func (c *Pipe) shut(half uint32) {
	if half&writeShut != 0 {
		c.wr.mu.Lock() // a Write that is under way is about to stop: it must not publish more after the flag
		defer c.wr.mu.Unlock()
	}
	// SYNC: end: who sees the flag sees all that was written before.
	c.mine().Or(half)
	crashpoint.Here("pipe.shut")
	if half&writeShut != 0 {
		c.out.Get.Event.NotifyAll()
		crashpoint.Here("pipe.shut.told")
	}
	if half&readShut != 0 {
		c.in.Put.Event.NotifyAll()
	}
}

// SetDeadline sets both deadlines. See [Pipe.SetReadDeadline].
func (c *Pipe) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time from which on Reads, those under way included, fail with [os.ErrDeadlineExceeded];
// zero: never. A later deadline lets them succeed again.
//
// Errors: a [*net.OpError] with [net.ErrClosed].
func (c *Pipe) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.rd, &c.in.Get.SpinWait, t) }

// SetWriteDeadline is SetReadDeadline for Writes. One that fails may have written some bytes.
//
// Errors: a [*net.OpError] with [net.ErrClosed].
func (c *Pipe) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.wr, &c.out.Put.SpinWait, t)
}

func (c *Pipe) setDeadline(s *pipeSide, mine *ring.SpinWait, t time.Time) error {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if err := c.closedError(); err != nil {
		return err
	}
	s.turn++
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	left := time.Until(t)
	if !t.IsZero() && left <= 0 {
		c.halt(s, mine, stoppedByDeadline)
		return nil
	}
	s.stop.And(^stoppedByDeadline)
	if !t.IsZero() {
		turn := s.turn
		s.timer = time.AfterFunc(left, func() { c.expire(s, mine, turn) })
	}
	return nil
}

// expire ends the deadline that was set at that turn.
func (c *Pipe) expire(s *pipeSide, mine *ring.SpinWait, turn uint64) {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if s.turn == turn && !c.closed {
		c.halt(s, mine, stoppedByDeadline)
	}
	runtime.KeepAlive(c)
}
