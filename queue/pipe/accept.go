package pipe

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A listener is a [net.Listener] of connections by shared memory.
type listener struct {
	a       *attachment
	reg     *registration
	backlog *queue.Queue[offer]
	policy  wait.Policy
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	once    sync.Once

	mu        sync.Mutex
	seen      uint64  // offers; guarded by mu
	accepting int     // calls of Accept that wait for an offer; guarded by mu
	accepted  []*Conn // that a Select has found, for the next calls of Accept; guarded by mu
	closed    bool    // guarded by mu
}

// Accept waits for the next connection. Each connection for which [Dial] succeeded is returned, in
// the order in which they were offered, also when its other end has been closed, or its process has
// died, since.
//
// Errors: a [*net.OpError] with [net.ErrClosed], or with [shm.ErrCorrupt].
func (l *listener) Accept() (net.Conn, error) {
	if c := l.startAccept(); c != nil {
		return c, nil
	}
	defer l.endAccept()
	for {
		of, err := l.backlog.Get(l.ctx)
		if err != nil {
			return nil, l.acceptError(err)
		}
		l.count()
		if c := l.take(of); c != nil {
			runtime.KeepAlive(l)
			return c, nil
		}
	}
}

// startAccept returns a connection that a Select has found, or nil: the caller waits for an offer,
// until it calls endAccept.
func (l *listener) startAccept() (c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.accepted) > 0 {
		c, l.accepted = l.accepted[0], l.accepted[1:]
		return c
	}
	l.accepting++
	return nil
}

func (l *listener) endAccept() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepting--
}

// count notes that an offer was taken out of the backlog.
func (l *listener) count() {
	l.reg.room.Notify()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen++; l.seen%sweepEvery == 0 {
		l.sweep()
	}
}

// acceptable reports whether an Accept would return at once; waiting reports whether there is an
// offer. An offer alone is not enough: its dialer may have withdrawn it, or be dead. So acceptable
// takes the offers until there is a connection, which the next Accept returns. It does not while
// other goroutines are in Accept: they take offers themselves, and would not notice the connection.
func (l *listener) acceptable(waiting func() bool) bool {
	for {
		l.mu.Lock()
		found, busy := l.closed || len(l.accepted) > 0, l.accepting > 0
		l.mu.Unlock()
		if found || !waiting() {
			return found
		}
		if busy {
			return true
		}
		of, err := l.backlog.TryGet()
		if err == queue.ErrEmpty {
			continue // another goroutine was faster
		}
		if err != nil {
			return true // so does Accept
		}
		l.count()
		if c := l.take(of); c != nil {
			l.keep(c)
		}
	}
}

// keep keeps a connection for the next Accept.
func (l *listener) keep(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.Close()
		return
	}
	l.accepted = append(l.accepted, c)
}

// sweepEvery is after how many offers the listener looks for what dead dialers have left.
const sweepEvery = 64

func (l *listener) acceptError(err error) error {
	if l.ctx.Err() != nil || errors.Is(err, queue.ErrClosed) || errors.Is(err, shm.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: "accept", Net: network, Addr: l.Addr(), Err: err}
}

// take takes the other end of a pipe that was offered, and its name away. It returns nil when the
// dialer is dead, or has withdrawn the offer.
//
// As soon as the end has an owner, the dialer's [Dial] may return, and its process may write,
// close, and end. So take checks nothing after that: the connection goes to the caller of Accept,
// with what was written.
//
// What a death leaves behind: a pipe with a name, which the dialer removes; or one without, and
// without a second end.
func (l *listener) take(of offer) *Conn {
	if l.reg.table.Dead(of.dialer()) {
		l.refuse(of)
		return nil
	}
	c := &Conn{policy: l.policy, ended: l.a.release}
	l.a.retain()
	err := takeEnd(c, 1, func() (*segment.Object, error) { return l.fetch(of) })
	if err != nil {
		l.a.release()
		return nil
	}
	return c
}

// fetch opens the pipe of an offer, and takes its name away: from here on only the processes that
// have it open know it.
func (l *listener) fetch(of offer) (*segment.Object, error) {
	s, name := segment.Of(l.a.seg), of.name()
	o, err := s.Open(existing(name))
	if err == nil {
		if err = s.Remove(name); isMissing(err) {
			err = nil // the dialer has withdrawn the offer
		}
		crashpoint.Here("accept.removed")
	}
	return o, err
}

// refuse tells a dialer that it will not be accepted.
func (l *listener) refuse(of offer) {
	o, err := l.fetch(of)
	if err != nil {
		return // the dialer has withdrawn the offer
	}
	if p, err := pipeOf(o); err == nil {
		p.refuse(1)
	}
}

// sweep removes the pipes of dialers that died before they could offer them.
func (l *listener) sweep() {
	for name, kind := range l.a.seg.Objects() {
		if kind != segment.KindPipe.String() {
			continue
		}
		if of, ok := offerNamed(name); ok && l.reg.table.Dead(of.dialer()) {
			l.a.seg.RemoveObject(name) // unless another process has
		}
	}
}

// Addr is where the segment is.
func (l *listener) Addr() net.Addr { return address(l.a.seg.Path()) }

// Close ends Accept, now and later, with [net.ErrClosed], and takes the name away. Dialers that
// were not accepted are refused. Connections go on. It may be called again.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.reg.unregister(l.a)
		l.cancel()
		l.backlog.Close()
		for range l.backlog.Cap() {
			of, err := l.backlog.TryGet()
			if err != nil {
				break
			}
			l.refuse(of)
		}
		l.mu.Lock()
		l.closed = true
		for _, c := range l.accepted {
			c.Close()
		}
		l.accepted = nil
		l.mu.Unlock()
		l.a.release()
	})
	return nil
}
