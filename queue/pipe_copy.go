package queue

import (
	"errors"
	"io"
	"runtime"
	"sync"
)

// errWriter says that a writer broke the rules of [io.Writer].
var errWriter = errors.New("queue: the writer returned an impossible count")

// WriteTo hands what is read to w, until the other end is closed, and returns how many bytes that were. W gets
// the bytes where they lie in shared memory: nothing is copied in between. Other Reads wait meanwhile.
//
// The other process can still change the bytes that w looks at, if it wants to do harm: a writer that checks them and uses
// them afterwards must make a copy of its own.
//
// Errors: those of [Pipe.Read] but [io.EOF], and those of w.
func (c *Pipe) WriteTo(w io.Writer) (total int64, err error) {
	for {
		n, err := c.pour(w)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// pour hands w what there is, up to the end of the ring.
func (c *Pipe) pour(w io.Writer) (n int, err error) {
	c.rd.mu.Lock()
	defer runtime.KeepAlive(c)
	defer c.leave(&c.rd)
	err = c.refusal(&c.rd)
	if err == nil && !c.in.HasBytes() {
		err = c.await(&c.rd, &c.in.Get.SpinWait, &c.in.Put.SpinWait)
	}
	if err != nil {
		return 0, c.opError("read", err)
	}
	b := c.in.Peek()
	n, err = w.Write(b)
	if n < 0 || n > len(b) {
		return 0, errWriter
	}
	c.in.Finish(uint64(n))
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	return n, err
}

// A parcel is what ReadFrom reads into.
//
// It is private memory. If r were handed room of the ring, a read system call could still be filling it for a moment after this
// process has been killed, when the room may already be another object's.
type parcel [32 << 10]byte

var parcels = sync.Pool{New: func() any { return new(parcel) }}

// ReadFrom writes what r gives, until r ends, and returns how many bytes it got from r.
//
// Errors: those of [Pipe.Write], and those of r but [io.EOF].
func (c *Pipe) ReadFrom(r io.Reader) (total int64, err error) {
	b := parcels.Get().(*parcel)
	defer parcels.Put(b)
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
