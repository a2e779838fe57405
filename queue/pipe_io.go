package queue

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/errno"
)

// Read reads what there is, at most len(b) bytes, and returns how many. It waits for the first.
//
// Errors:
//   - [io.EOF]: the other end was closed, or closed for writing, and all that it wrote was read; or this
//     end was closed for reading.
//   - [io.ErrUnexpectedEOF]: the process at the other end is dead, or has left the segment without closing the pipe,
//     and all that it wrote was read.
//   - a [*net.OpError] with [os.ErrDeadlineExceeded], or with [net.ErrClosed] when this end, or with it the segment, was
//     closed by this process, or with [shm.ErrCorrupt].
//
// No byte was read then.
func (c *Pipe) Read(b []byte) (int, error) {
	c.rd.mu.Lock()
	n, err := c.read(b)
	c.leave(&c.rd)
	if err != nil {
		err = c.opError("read", err)
	}
	runtime.KeepAlive(c)
	return n, err
}

func (c *Pipe) read(b []byte) (n int, err error) {
	if c.rd.stop.Load() != 0 || c.p.Closer.Closed() {
		if err := c.refusal(&c.rd); err != nil {
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

// Write writes all of b, and waits for room as often as it must. It returns how many bytes it has written.
//
// Errors: a [*net.OpError]
//   - with [syscall.EPIPE]: the other end was closed, or closed for reading, or its process is dead, or this end was closed
//     for writing.
//   - with [os.ErrDeadlineExceeded], or with [net.ErrClosed] when this end, or with it the segment, was
//     closed by this process, or with [shm.ErrCorrupt].
//
// The first n bytes were written then. That nobody ever reads them is possible, as with every connection.
func (c *Pipe) Write(b []byte) (int, error) {
	c.wr.mu.Lock()
	n, err := c.write(b)
	c.leave(&c.wr)
	if err != nil {
		err = c.opError("write", err)
	}
	runtime.KeepAlive(c)
	return n, err
}

func (c *Pipe) write(b []byte) (n int, err error) {
	if c.wr.stop.Load() != 0 || c.p.Closer.Closed() { // the memory may be another object's by now
		if err := c.refusal(&c.wr); err != nil {
			return 0, err
		}
	}
	if peer := c.peer().Load(); peer&readShut != 0 || c.gone(peer) {
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
			err = c.refusal(&c.wr)
		}
	}
	return n, err
}

// awaitRoom waits until there is room for one byte at once, or, if it comes to sleeping, for all of the n that
// are left, or half the ring: a wake-up for less would not be worth its price. A reader that waits itself has
// made room for a whole ring.
func (c *Pipe) awaitRoom(n int) error {
	c.out.Need = 1
	if c.wr.look() {
		return c.wr.err
	}
	c.out.WantRoom(uint64(n))
	return c.await(&c.wr, &c.out.Put.SpinWait, &c.out.Get.SpinWait)
}

// leave ends a read or write.
func (c *Pipe) leave(s *pipeSide) {
	s.mu.Unlock()
	if s.stop.Load()&stoppedByClose != 0 {
		c.retire(s)
	}
}

// retire lets a side of a closed end go of the shared memory, unless somebody still reads, or writes, who will.
func (c *Pipe) retire(s *pipeSide) {
	if !s.mu.TryLock() {
		return
	}
	if !s.retired {
		s.retired = true
		c.letGo()
	}
	s.mu.Unlock()
}

// letGo counts those who do not touch the shared memory any more.
func (c *Pipe) letGo() {
	if c.users.Add(-1) > 0 {
		return
	}
	c.p.release()
	if c.ended != nil {
		c.ended()
	}
}
