package pipe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/shmkit/shmkit/internal/socket"
	"github.com/shmkit/shmkit/internal/wait"
)

// ErrInsecure says that an address can be reached from other machines, and that a key or TLS is
// missing.
var ErrInsecure = socket.ErrInsecure

func (o TypedOptions) socket() socket.Options {
	return socket.Options{Key: o.Key, TLS: o.TLS, Insecure: o.Insecure}
}

// A TypedListener accepts typed connections. It is made by [ListenTyped].
type TypedListener[S, R any] struct {
	l        net.Listener
	o        TypedOptions
	accepted chan accepted[S, R]
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	work     sync.WaitGroup
}

// An accepted is a connection, or why there is none.
type accepted[S, R any] struct {
	c   *TypedConn[S, R]
	err error
}

// maxHandshakes is how many connections a listener has that were not accepted.
const maxHandshakes = 64

// ListenTyped accepts typed connections at an address: the name of a segment, as for [Listen], or
// "unix://PATH", or "tcp://HOST:PORT". The file of a unix socket is for this user alone. TCP needs
// a key and TLS, but for loopback addresses with o.Insecure.
//
// Errors: those of [Listen] and [net.Listen]; [ErrInsecure]; a type that cannot travel.
func ListenTyped[S, R any](address string, o TypedOptions) (*TypedListener[S, R], error) {
	if _, err := newTyped[S, R](nil, o); err != nil {
		return nil, fmt.Errorf("pipe: listen at %s: %w", address, err)
	}
	var l net.Listener
	var err error
	if network, at, ok := socket.Parse(address); ok {
		l, err = socket.Listen(network, at, o.socket())
	} else {
		l, err = Listen(address, ListenOptions{})
	}
	if err != nil {
		return nil, err
	}
	t := &TypedListener[S, R]{l: l, o: o, accepted: make(chan accepted[S, R])}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.work.Go(t.run)
	return t, nil
}

// run accepts connections, and does the handshakes of several at once: a side that is silent holds
// up none of the others.
func (t *TypedListener[S, R]) run() {
	handshakes := make(chan struct{}, maxHandshakes)
	for {
		conn, err := t.l.Accept()
		if err != nil {
			if t.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			t.deliver(accepted[S, R]{err: err}) // waits for an Accept
			continue
		}
		handshakes <- struct{}{} // one of them ends, in 5 seconds at most, or is accepted
		t.work.Go(func() {
			defer func() { <-handshakes }()
			c, err := typed[S, R](t.ctx, conn, t.o)
			t.deliver(accepted[S, R]{c, err})
		})
	}
}

// deliver hands a connection to Accept.
func (t *TypedListener[S, R]) deliver(a accepted[S, R]) {
	select {
	case t.accepted <- a:
	case <-t.ctx.Done():
		if a.c != nil {
			a.c.conn.Close()
		}
	}
}

// Accept waits for the next connection.
//
// Errors: those of [Typed], such as [ErrKey], for a connection that has failed, after which the
// listener goes on; the cause of the end of ctx; [net.ErrClosed].
func (t *TypedListener[S, R]) Accept(ctx context.Context) (*TypedConn[S, R], error) {
	if t.ctx.Err() != nil {
		return nil, fmt.Errorf("pipe: accept at %v: %w", t.l.Addr(), net.ErrClosed)
	}
	began := wait.Start(ctx)
	select {
	case a := <-t.accepted:
		return a.c, a.err
	case <-t.ctx.Done():
		return nil, fmt.Errorf("pipe: accept at %v: %w", t.l.Addr(), net.ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("pipe: accept at %v: no process has connected: %w", t.l.Addr(), wait.Late(ctx, context.Cause(ctx), began))
	}
}

// Addr is where the listener listens.
func (t *TypedListener[S, R]) Addr() net.Addr { return t.l.Addr() }

// Close ends Accept, now and later, with [net.ErrClosed]. Connections that were accepted go on.
func (t *TypedListener[S, R]) Close() error {
	t.cancel()
	err := t.l.Close()
	t.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// DialTyped connects to a [ListenTyped] at that address, of which S and R are exchanged.
//
// Errors: those of [Dial] and [net.Dial], such as [syscall.ECONNREFUSED]; [ErrInsecure]; those of
// [Typed]; the cause of the end of ctx.
func DialTyped[S, R any](ctx context.Context, address string, o TypedOptions) (*TypedConn[S, R], error) {
	var conn net.Conn
	var err error
	if network, at, ok := socket.Parse(address); ok {
		conn, err = socket.Dial(ctx, network, at, o.socket())
	} else {
		conn, err = Dial(ctx, address, DialOptions{})
	}
	if err != nil {
		return nil, err
	}
	return typed[S, R](ctx, conn, o)
}
