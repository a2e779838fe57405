package pipe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/internal/handshake"
	"github.com/shmkit/shmkit/internal/message"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

var (
	// ErrKey says that the two sides of a typed connection do not have the same key. The error says
	// which side has none, or that the keys differ.
	ErrKey = handshake.ErrKey

	// ErrTooLarge says that a message is larger than TypedOptions.Max.
	ErrTooLarge = frame.ErrTooLarge
)

// TypedOptions say how a typed connection is made. The zero value is good.
type TypedOptions struct {
	// Key is what both sides must have. Each proves it to the other, and neither shows it. Make it
	// of at least 16 random bytes. An empty one is none: then the connection relies on the mode of
	// the segment or of the socket.
	Key []byte

	// Max is the size in bytes of the largest message, encoded; 0 means 256 MiB. It bounds what a
	// message that comes may take of memory.
	Max int

	// TLS is for connections by TCP that [ListenTyped] and [DialTyped] make.
	TLS *tls.Config

	// Insecure permits TCP without a key and TLS, at a loopback address.
	Insecure bool
}

const defaultMax = 256 << 20

// most is the size of the largest message.
func (o TypedOptions) most() (int, error) {
	if o.Max < 0 {
		return 0, fmt.Errorf("pipe: %w", segment.Invalid("messages of at most %d bytes: must not be negative", o.Max))
	}
	if o.Max == 0 {
		return defaultMax, nil
	}
	return o.Max, nil
}

// The kinds of frames of a typed connection, beside the pieces of large messages.
const (
	kindTypes   frame.Kind = 2 + iota // the first: the types of the sender
	kindMessage                       // a message, or its last piece
	kindAbandon                       // the sender drops a message of which pieces have been sent
	kindBye                           // the sender has closed its end
)

// A TypedConn is one end of a connection that carries messages: values of S from here, values of R
// to here. A message arrives whole or not at all, and in the order of the Sends of one goroutine.
//
// What can travel, and how, is as for the arguments of a task of package pool: values of fixed size
// and slices of them are copied, all others go through CBOR. Handles of shared objects may be part
// of them.
//
// All methods may be called by any number of goroutines.
type TypedConn[S, R any] struct {
	conn net.Conn
	send message.Codec[S]
	recv message.Codec[R]
	most int
	w    *frame.Writer
	in   inbox

	large chan struct{} // has a value while no large message is being sent

	mu     sync.Mutex
	number uint64 // of the last message; guarded by mu
	closed bool   // guarded by mu
}

// Typed makes a connection of messages of a connection of bytes, which belongs to it from then on.
// The other side must do the same, with S and R exchanged.
//
// With a key Typed waits until both sides have proved that they have it, at most 5 seconds. Without
// one it does not wait, and the first Recv checks what the other side is.
//
// Errors: [ErrKey]; [os.ErrDeadlineExceeded] when the other side is silent; a type that cannot
// travel; those of conn. The connection is closed then.
func Typed[S, R any](conn net.Conn, o TypedOptions) (*TypedConn[S, R], error) {
	return typed[S, R](context.Background(), conn, o)
}

func typed[S, R any](ctx context.Context, conn net.Conn, o TypedOptions) (*TypedConn[S, R], error) {
	c, err := newTyped[S, R](conn, o)
	if err == nil {
		err = c.greet(ctx, o.Key)
	}
	if err != nil {
		handshake.Refuse(conn)
		return nil, fmt.Errorf("pipe: typed connection with %v: %w", conn.RemoteAddr(), err)
	}
	return c, nil
}

// newTyped makes the connection without a handshake.
func newTyped[S, R any](conn net.Conn, o TypedOptions) (*TypedConn[S, R], error) {
	most, err := o.most()
	if err != nil {
		return nil, err
	}
	send, err := message.For[S]()
	if err != nil {
		return nil, err
	}
	recv, err := message.For[R]()
	if err != nil {
		return nil, err
	}
	c := &TypedConn[S, R]{conn: conn, send: send, recv: recv, most: most, w: frame.NewWriter(conn, nil)}
	c.large = make(chan struct{}, 1)
	c.large <- struct{}{}
	c.in = newInbox(conn, most, recv.Signature())
	return c, nil
}

// greet does the handshake, or begins it where there is no key.
func (c *TypedConn[S, R]) greet(ctx context.Context, key []byte) error {
	hello := handshake.New(key)
	if len(key) > 0 {
		if err := hello.Do(ctx, c.conn); err != nil {
			return err
		}
	} else {
		c.in.hello = hello
		c.w.Raw(hello.Greeting())
	}
	_, err := c.w.Send(ctx, frame.Aside, &frame.Head{Kind: kindTypes}, []byte(c.send.Signature()))
	return err
}

// Send sends a message. It waits until the connection has taken it, which is before the other side
// has received it.
//
// Errors: v cannot be encoded, or [ErrTooLarge]: then nothing was sent, and the connection goes on;
// the cause of the end of ctx: then the message arrives whole or not at all, and the connection
// goes on; [net.ErrClosed]; those of the connection.
func (c *TypedConn[S, R]) Send(ctx context.Context, v S) error {
	began := wait.Start(ctx)
	if err := c.sendBytes(ctx, &v); err != nil {
		return fmt.Errorf("pipe: send to %v: %w", c.conn.RemoteAddr(), wait.Late(ctx, err, began))
	}
	return nil
}

func (c *TypedConn[S, R]) sendBytes(ctx context.Context, v *S) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b, err := c.send.Encode(v)
	if err != nil {
		return err
	}
	if len(b) > c.most {
		return fmt.Errorf("a message of %d bytes: %w: at most %d are possible", len(b), ErrTooLarge, c.most)
	}
	if len(b) > frame.MaxPayload {
		select {
		case <-c.large:
			defer func() { c.large <- struct{}{} }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	h, err := c.nextHead()
	if err != nil {
		return err
	}
	h.Mark(b)
	mode := frame.Inline
	if ctx.Done() != nil {
		mode = frame.Aside
	}
	end, err := c.w.Send(ctx, mode, h, b)
	if err != nil {
		if end > 0 {
			c.w.Send(ctx, frame.Control, &frame.Head{Kind: kindAbandon, Call: h.Call}, nil)
		}
		return err
	}
	return c.w.AwaitWritten(ctx, end)
}

// nextHead is the head of the next message.
func (c *TypedConn[S, R]) nextHead() (*frame.Head, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	c.number++
	return &frame.Head{Kind: kindMessage, Call: c.number}, nil
}

// Recv waits for the next message.
//
// Errors: a message that cannot be decoded, which is gone then, and the connection goes on; the
// cause of the end of ctx, after which the connection goes on; [io.EOF] when the other side has
// closed its end; [io.ErrUnexpectedEOF] when its process is dead; [shm.ErrMismatch] when it sends
// another type; [ErrKey], [ErrTooLarge]; [net.ErrClosed]; those of the connection.
func (c *TypedConn[S, R]) Recv(ctx context.Context) (v R, err error) {
	began := wait.Start(ctx)
	b, err := c.in.take(ctx)
	if err == nil {
		v, err = c.recv.Decode(b)
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		err = fmt.Errorf("pipe: receive from %v: %w", c.conn.RemoteAddr(), wait.Late(ctx, err, began))
	}
	return v, err
}

// Close closes this end. The other side still receives what was sent, and then gets [io.EOF]. Sends
// and Recvs that are under way return [net.ErrClosed]. Where the other side does not read, Close
// waits for at most a second, and that side gets [io.ErrUnexpectedEOF] then.
//
// Errors: those of the connection.
func (c *TypedConn[S, R]) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if end, err := c.w.Send(ctx, frame.Aside, &frame.Head{Kind: kindBye}, nil); err == nil {
		c.w.AwaitWritten(ctx, end)
	}
	c.w.Fail(net.ErrClosed)
	err := c.conn.Close()
	if errors.Is(err, errno.BrokenPipe) || errors.Is(err, errno.ConnectionReset) {
		return nil // TLS says goodbye, too, and the other side has gone
	}
	return err
}

// farewell is how long Close waits for room where the other side does not read.
const farewell = time.Second

// Conn is the connection below, for its addresses. Its bytes belong to the typed connection.
func (c *TypedConn[S, R]) Conn() net.Conn { return c.conn }

// checkTypes compares the type that the other side sends with that which this side receives.
func checkTypes(theirs, mine string) error {
	if theirs == mine {
		return nil
	}
	return fmt.Errorf("%w: the other side sends %.200q, and this side receives %.200q", shm.ErrMismatch, theirs, mine)
}

// isClosed reports whether err says that this side has closed the connection.
func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}
