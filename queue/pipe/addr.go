package pipe

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// errOwnSegment says that this process has closed the segment of a pipe, which closes its end.
var errOwnSegment = fmt.Errorf("%w: %w", net.ErrClosed, shm.ErrClosed)

// network is the name of the network that pipes belong to, in the sense of the package net.
const network = "shm"

// An address is the place of an end, or of a listener.
type address string

// Network is "shm".
func (address) Network() string { return network }

// String is the path of the segment, then the name of the pipe and the number of the end.
func (a address) String() string { return string(a) }

func (p *pipe) addr(end int) net.Addr {
	return address(fmt.Sprintf("%s:%s/%d", p.o.Seg.Path(), p.o.Name, end+1))
}

// LocalAddr names this end: the segment's path, the pipe, and the number of the end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr names the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// opError names the operation and the connection in an error. The ends of a stream are no failures:
// they are returned as they are.
func (c *Conn) opError(op string, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return err
	}
	return &net.OpError{Op: op, Net: network, Source: c.local, Addr: c.remote, Err: err}
}

// MarshalBinary encodes the other end of the pipe for another process, which takes that end with
// UnmarshalBinary.
//
// Errors: [shm.ErrRemoved] when other processes cannot find the segment or the pipe,
// [net.ErrClosed].
func (c *Conn) MarshalBinary() ([]byte, error) {
	if c.p == nil {
		return nil, errors.New("pipe: marshal a Conn: it has no end of a pipe")
	}
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if err := c.closedError(); err != nil {
		return nil, err
	}
	b, err := c.p.o.Marshal()
	if err != nil {
		return nil, fmt.Errorf("pipe: marshal an end of pipe %q: %w", c.p.o.Name, err)
	}
	return append(b, byte(1-c.end)), nil
}

// UnmarshalBinary takes the end that MarshalBinary encoded, for this process. The Conn must be new.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], [queue.ErrRoleTaken], those of
// [shm.Open].
func (c *Conn) UnmarshalBinary(b []byte) error {
	if c.p != nil {
		return errors.New("pipe: unmarshal a Conn: it has an end already")
	}
	if len(b) == 0 || b[len(b)-1] > 1 {
		return fmt.Errorf("pipe: unmarshal a Conn of %d bytes: %w", len(b), shm.ErrFormat)
	}
	end := int(b[len(b)-1])
	return takeEnd(c, end, func() (*segment.Object, error) {
		return segment.Unmarshal(b[:len(b)-1], segment.KindPipe, "")
	})
}
