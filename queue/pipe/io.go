package pipe

import (
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/ring"
)

// Read reads what is there, at most len(b) bytes, and returns the number of bytes. It waits for the
// first one.
//
// Errors:
//   - [io.EOF]: the other end was closed, or closed for writing, and all that it wrote was read; or
//     this end was closed for reading.
//   - [io.ErrUnexpectedEOF]: the process at the other end is dead, or has left the segment without
//     closing the pipe, and all that it wrote was read.
//   - a [*net.OpError] with [os.ErrDeadlineExceeded], or with [net.ErrClosed] when this end, or
//     with it the segment, was closed by this process, or with [shm.ErrCorrupt].
//
// No byte was read then.
func (c *Conn) Read(b []byte) (int, error) {
	c.enter(&c.rd)
	n, err := c.read(b)
	c.leave(&c.rd)
	if err != nil {
		err = c.opError("read", err)
	}
	runtime.KeepAlive(c)
	return n, err
}

func (c *Conn) read(b []byte) (n int, err error) {
	if c.rd.stopped.Load() != 0 || c.p.Closer.Closed() {
		if err := c.stopError(&c.rd); err != nil {
			return 0, err
		}
	}
	if len(b) == 0 {
		return 0, nil
	}
	if !c.in.HasBytes() {
		if err := c.await(&c.rd, &c.in.Get.SpinWait, &c.in.Put.SpinWait); err != nil {
			return 0, err
		}
	}
	for n < len(b) && c.in.HasBytes() {
		n += c.in.Read(b[n:])
	}
	return n, nil
}

// Write writes all of b, and waits for room as often as it must. It returns the number of bytes
// that were written.
//
// Errors: a [*net.OpError]
//   - with [syscall.EPIPE]: the other end was closed, or closed for reading, or its process is
//     dead, or this end was closed for writing.
//   - with [os.ErrDeadlineExceeded], or with [net.ErrClosed] when this end, or with it the segment,
//     was closed by this process, or with [shm.ErrCorrupt].
//
// The first n bytes were written then. The other end may never read them, as with every connection.
func (c *Conn) Write(b []byte) (int, error) {
	c.enter(&c.wr)
	n, err := c.write(b)
	c.leave(&c.wr)
	if err != nil {
		err = c.opError("write", err)
	}
	runtime.KeepAlive(c)
	return n, err
}

func (c *Conn) write(b []byte) (n int, err error) {
	// the memory may be another object's by now
	if c.wr.stopped.Load() != 0 || c.p.Closer.Closed() {
		if err := c.stopError(&c.wr); err != nil {
			return 0, err
		}
	}
	if peer := c.peer().Load(); peer&readShut != 0 || c.ownerDead(peer) {
		return 0, errno.BrokenPipe
	}
	p := &c.out.Put
	for err == nil && n < len(b) {
		if p.Next == p.Until {
			if err = c.awaitRoom(len(b) - n); err != nil {
				break
			}
		}
		n += c.out.Write(b[n:])
		if n < len(b) {
			err = c.stopError(&c.wr)
		}
	}
	return n, err
}

// awaitRoom waits until there is room for one byte at once. If it has to sleep, it waits for room
// for all n bytes that are left, or for half the ring: a wake-up for less is not worth its price. A
// reader that waits itself has made room for a whole ring.
func (c *Conn) awaitRoom(n int) error {
	c.out.Need = 1
	if c.wr.checkCached() {
		return c.wr.err
	}
	c.out.WantRoom(uint64(n))
	return c.await(&c.wr, &c.out.Put.SpinWait, &c.out.Get.SpinWait)
}

// enter begins a read or write. Either a close of the segment waits for its end, or it sees the
// close.
func (c *Conn) enter(d *direction) {
	d.mu.Lock()
	ring.Announce(d.moving, 1)
}

// leave ends a read or write.
func (c *Conn) leave(d *direction) {
	ring.StoreRelease(d.moving, 0)
	d.mu.Unlock()
	if d.stopped.Load()&stoppedByClose != 0 {
		c.retire(d)
	}
}

// retire ends the use of the shared memory by a direction of a closed end, unless a Read or Write
// is under way, which does it at its end.
func (c *Conn) retire(d *direction) {
	if !d.mu.TryLock() {
		return
	}
	if !d.retired {
		d.retired = true
		c.release()
	}
	d.mu.Unlock()
}

// release counts down the users of the shared memory.
func (c *Conn) release() {
	if c.users.Add(-1) > 0 {
		return
	}
	c.p.release()
	if c.ended != nil {
		c.ended()
	}
}

// errWriter says that a writer broke the rules of [io.Writer].
var errWriter = errors.New("pipe: the writer returned an impossible count")

// WriteTo writes what is read to w, until the other end is closed, and returns the number of bytes.
// The writer gets the bytes where they lie in shared memory: nothing is copied in between. Other
// Reads wait meanwhile.
//
// The other process can still change the bytes that w looks at, if it wants to do harm: a writer
// that checks them and uses them afterwards must make a copy of its own.
//
// Errors: those of [Conn.Read] but [io.EOF], and those of w.
func (c *Conn) WriteTo(w io.Writer) (total int64, err error) {
	for {
		n, err := c.writeAvailable(w)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// writeAvailable writes to w what is published, up to the end of the ring.
func (c *Conn) writeAvailable(w io.Writer) (n int, err error) {
	c.enter(&c.rd)
	defer runtime.KeepAlive(c)
	defer c.leave(&c.rd)
	err = c.stopError(&c.rd)
	if err == nil && !c.in.HasBytes() {
		err = c.await(&c.rd, &c.in.Get.SpinWait, &c.in.Put.SpinWait)
	}
	if err != nil {
		return 0, c.opError("read", err)
	}
	b := c.in.Peek()
	ring.StoreRelease(c.rd.moving, 0) // no close of the segment waits for w
	n, err = w.Write(b)
	ring.Announce(c.rd.moving, 1)
	switch {
	case n < 0 || n > len(b):
		return 0, errWriter
	case c.p.Closer.Closed(): // what w has got may have been nothing
		return 0, c.opError("read", errOwnSegment)
	}
	c.in.Finish(uint64(n))
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	return n, err
}

// A copyBuffer is what ReadFrom reads into.
//
// It is private memory. If r got room of the ring, a read system call could still fill it for a
// moment after the death of this process, when the room may already be another object's.
type copyBuffer [32 << 10]byte

var copyBuffers = sync.Pool{New: func() any { return new(copyBuffer) }}

// ReadFrom writes what it reads from r, until r ends, and returns the number of bytes that it read.
//
// Errors: those of [Conn.Write], and those of r but [io.EOF].
func (c *Conn) ReadFrom(r io.Reader) (total int64, err error) {
	b := copyBuffers.Get().(*copyBuffer)
	defer copyBuffers.Put(b)
	for {
		n, err := r.Read(b[:])
		if n > 0 {
			total += int64(n)
			if _, err := c.Write(b[:n]); err != nil {
				return total, err
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
