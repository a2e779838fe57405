package pipe

import (
	"net"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
)

// Close closes this end. The other one can still read what was written, and then gets [io.EOF]; its
// writes fail. Reads and Writes of this end that are under way, and all later ones, return
// [net.ErrClosed]. Close never waits for the other process, and may be called again.
func (c *Conn) Close() error {
	c.ctl.Lock()
	if c.closed {
		c.ctl.Unlock()
		return nil
	}
	c.closed = true
	for _, d := range []*direction{&c.rd, &c.wr} {
		d.setting++
		if d.timer != nil {
			d.timer.Stop()
		}
	}
	c.stop(&c.rd, &c.in.Get.SpinWait, stoppedByClose)
	c.stop(&c.wr, &c.out.Put.SpinWait, stoppedByClose)
	c.shutdown(writeShut | readShut)
	c.ctl.Unlock()
	c.retire(&c.rd)
	c.retire(&c.wr)
	c.release()
	runtime.KeepAlive(c)
	return nil
}

// CloseWrite closes this end for writing: the other one gets [io.EOF] when it has read what was
// written. Writes of this end that are under way, and later ones, fail with [syscall.EPIPE].
//
// Errors: a [*net.OpError] with [net.ErrClosed].
func (c *Conn) CloseWrite() error {
	return c.closeHalf(&c.wr, &c.out.Put.SpinWait, writeShut)
}

// CloseRead closes this end for reading: writes of the other one fail from now on, and Reads of
// this end return [io.EOF].
//
// Errors: a [*net.OpError] with [net.ErrClosed].
func (c *Conn) CloseRead() error {
	return c.closeHalf(&c.rd, &c.in.Get.SpinWait, readShut)
}

func (c *Conn) closeHalf(d *direction, mine *ring.SpinWait, half uint32) error {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if err := c.closedError(); err != nil {
		return err
	}
	c.stop(d, mine, stoppedByHalf)
	c.shutdown(half)
	runtime.KeepAlive(c)
	return nil
}

// closedError is what a method of a closed end returns. The caller holds c.ctl.
func (c *Conn) closedError() error {
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.p.Closer.Closed():
		return c.opError("close", errOwnSegment)
	}
	return nil
}

// stop ends the reads, or writes, of a direction, those that sleep included, for a reason.
func (c *Conn) stop(d *direction, mine *ring.SpinWait, why uint32) {
	d.stopped.Or(why)
	mine.Event.NotifyAll()
}

// shutdown tells the other end what this one does no more. The caller holds c.ctl, and has stopped
// that direction.
//
// What a death leaves behind: a flag that the other end, if it sleeps, sees when it notices the
// death.
func (c *Conn) shutdown(half uint32) {
	if half&writeShut != 0 {
		// a Write that is under way is about to stop: it must not publish after the flag
		c.wr.mu.Lock()
		defer c.wr.mu.Unlock()
	}
	// SYNC: end: a reader that sees the flag sees all that was written before.
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

// SetDeadline sets both deadlines. See [Conn.SetReadDeadline].
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time from which on Reads, those under way included, fail with
// [os.ErrDeadlineExceeded]; the zero time means never. A later deadline lets them succeed again.
//
// Errors: a [*net.OpError] with [net.ErrClosed].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.rd, &c.in.Get.SpinWait, t) }

// SetWriteDeadline is SetReadDeadline for Writes. A Write that fails may have written some bytes.
//
// Errors: a [*net.OpError] with [net.ErrClosed].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.wr, &c.out.Put.SpinWait, t)
}

func (c *Conn) setDeadline(d *direction, mine *ring.SpinWait, t time.Time) error {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if err := c.closedError(); err != nil {
		return err
	}
	d.setting++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	left := time.Until(t)
	if !t.IsZero() && left <= 0 {
		c.stop(d, mine, stoppedByDeadline)
		return nil
	}
	d.stopped.And(^stoppedByDeadline)
	if !t.IsZero() {
		setting := d.setting
		d.timer = time.AfterFunc(left, func() { c.expire(d, mine, setting) })
	}
	return nil
}

// expire applies the deadline of that setting, unless a later one has replaced it.
func (c *Conn) expire(d *direction, mine *ring.SpinWait, setting uint64) {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if d.setting == setting && !c.closed {
		c.stop(d, mine, stoppedByDeadline)
	}
	runtime.KeepAlive(c)
}
