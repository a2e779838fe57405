package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// ListenOptions say how a listener is made. The zero value is good.
type ListenOptions struct {
	// Buffer is how many bytes can be under way in each direction of a connection, rounded up to a power of two; 0 means 64 KiB.
	Buffer int

	// Backlog is how many dialers can wait to be accepted, rounded up to a power of two; 0 means 128. Further ones wait for that.
	Backlog int

	// Wait says how Accept, and the connections at this side, wait.
	Wait shmsync.WaitPolicy

	// Segment is how the segment is made that the connections lie in. Size 0 means 1 GiB, of which only as much is ever taken as
	// connections need; Objects 0 means 16384, the number of connections at once.
	Segment shm.Options
}

const (
	defaultBacklog     = 128
	defaultListenSize  = 1 << 30
	defaultConnections = 16384

	listenerName = "listener"
	backlogName  = "backlog"
)

// An offer is what a dialer puts into the backlog: which pipe it has made.
type offer struct {
	Dialer uint64 // owner id
	Number uint64
}

func (o offer) name() string { return fmt.Sprintf("conn-%d-%d", o.Dialer, o.Number) }

// A listener is a [net.Listener] of connections by shared memory.
type listener struct {
	a       *attachment
	d       *desk
	backlog *Queue[offer]
	policy  shmsync.WaitPolicy
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	once    sync.Once
	seen    uint64 // offers; for Accept, under mu
	mu      sync.Mutex
}

// A desk is one process's view of the listener object.
type desk struct {
	o     *segment.Object
	head  *listenHead
	room  *lock.EventCount // in the backlog
	table *proctab.Table
}

// Listen makes a segment of that name, see [shm.Create], and accepts the connections that others make to it with
// [Dial]. The connections are of type [*Pipe].
//
// A name has one listener. One that is dead, or closed, is replaced; its connections go on.
//
// Errors: [syscall.EADDRINUSE] when a living process listens there; [io/fs.ErrExist] when the segment
// is not a listener's; those of [shm.OpenOrCreate].
func Listen(name string, o ListenOptions) (net.Listener, error) {
	buffer, err := PipeOptions{Buffer: o.Buffer}.capacity(name)
	if err != nil {
		return nil, err
	}
	if o.Segment.Size == 0 {
		o.Segment.Size = defaultListenSize
	}
	if o.Segment.Objects == 0 {
		o.Segment.Objects = defaultConnections
	}
	if o.Backlog == 0 {
		o.Backlog = defaultBacklog
	}
	for range 100 { // a name that comes and goes ends some day
		l, err := listenOnce(name, buffer, o)
		if err != errReplaced {
			if err != nil {
				err = &net.OpError{Op: "listen", Net: network, Addr: address(name), Err: err}
			}
			return l, err
		}
	}
	return nil, &net.OpError{Op: "listen", Net: network, Addr: address(name), Err: errno.AddressInUse}
}

// errReplaced says that the segment was a dead listener's, whose name is gone now.
var errReplaced = errors.New("replaced")

func listenOnce(name string, buffer uint64, o ListenOptions) (net.Listener, error) {
	a, err := attach(name, func() (*shm.Segment, error) { return shm.OpenOrCreate(name, o.Segment) })
	if err != nil {
		return nil, err
	}
	d, err := occupy(a, buffer)
	if err == nil {
		var q *Queue[offer]
		if q, err = NewQueue[offer](a.seg, backlogName, o.Backlog, Options{Wait: o.Wait}); err == nil {
			l := &listener{a: a, d: d, backlog: q, policy: o.Wait}
			l.ctx, l.cancel = context.WithCancel(context.Background())
			return l, nil
		}
		d.leave(a)
	}
	if errors.Is(err, shm.ErrRemoved) { // by somebody who replaces the same listener
		a.stale()
		err = errReplaced
	}
	a.letGo()
	return nil, err
}

// occupy makes this process the one that listens in a segment which nobody has listened in before. The
// name of one that somebody has, who is dead or gone, is taken away: what lies there is left to its connections.
//
// What a death leaves behind: a dead listener; or a segment without a name.
func occupy(a *attachment, buffer uint64) (*desk, error) {
	s := a.seg.Internal()
	if err := onlyListener(a.seg); err != nil {
		return nil, err
	}
	o, created, err := s.New(segment.Spec{
		Name: listenerName, Kind: segment.KindListener, Size: listenHeadBytes,
		Init: func(mem []byte) {
			h := listenHeadIn(mem)
			h.buffer = buffer
			h.owner.Store(uint32(s.Me()))
		},
	})
	if err != nil {
		return nil, err
	}
	crashpoint.Here("listen.occupied")
	d := deskOf(o)
	if created {
		return d, nil
	}
	w := d.head.owner.Load()
	if d.alive(w) || !d.head.owner.CompareAndSwap(w, uint32(s.Me())) {
		who, _ := s.Table().Info(ownerOfEnd(w))
		return nil, fmt.Errorf("%v listens there: %w", who, errno.AddressInUse)
	}
	crashpoint.Here("listen.inherited")
	d.leave(a)
	return nil, errReplaced
}

// onlyListener makes sure that a segment is a listener's, or empty.
func onlyListener(seg *shm.Segment) error {
	other := ""
	for name, kind := range seg.Objects() {
		if name == listenerName && kind == segment.KindListener.String() {
			return nil
		}
		other = name
	}
	if other != "" {
		return fmt.Errorf("the segment %s holds %q, and is not a listener's: %w", seg.Path(), other, fs.ErrExist)
	}
	return nil
}

func deskOf(o *segment.Object) *desk {
	return o.Local(func() (any, func() bool) {
		h := listenHeadIn(o.Payload)
		room := lock.NewEventCount(o.Seg.Party(), h.room[:])
		room.Subject = o.Subject(lock.RoleDial)
		return &desk{o: o, head: h, room: room, table: o.Seg.Table()}, nil
	}).(*desk)
}

// alive reports whether the listener whose word is w still listens.
func (d *desk) alive(w uint32) bool { return w&listenClosed == 0 && !d.table.Dead(ownerOfEnd(w)) }

// leave ends the listening of this process, and takes the name away.
func (d *desk) leave(a *attachment) {
	d.head.owner.Or(listenClosed)
	crashpoint.Here("listen.closed")
	d.room.NotifyAll()
	a.stale()
	a.seg.Remove() // it may be gone already, or lead to a newer listener
	crashpoint.Here("listen.removed")
}

// Accept waits for the next connection.
//
// Errors: a [*net.OpError] with [net.ErrClosed], or with [shm.ErrCorrupt].
func (l *listener) Accept() (net.Conn, error) {
	for {
		of, err := l.backlog.Get(l.ctx)
		if err != nil {
			return nil, l.acceptError(err)
		}
		l.d.room.Notify()
		l.mu.Lock()
		if l.seen++; l.seen%sweepEvery == 0 {
			l.sweep()
		}
		l.mu.Unlock()
		if c := l.take(of); c != nil {
			runtime.KeepAlive(l)
			return c, nil
		}
	}
}

// sweepEvery is after how many offers the listener looks for what dead dialers have left.
const sweepEvery = 64

func (l *listener) acceptError(err error) error {
	if l.ctx.Err() != nil || err == ErrClosed || errors.Is(err, shm.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: "accept", Net: network, Addr: l.Addr(), Err: err}
}

// take takes the other end of a pipe that was offered, and its name away; nil when the dialer has given up.
//
// What a death leaves behind: a pipe with a name, which the dialer removes; or one without, and without a second end.
func (l *listener) take(of offer) *Pipe {
	c := &Pipe{policy: l.policy, ended: l.a.letGo}
	l.a.again()
	err := takeEnd(c, 1, func() (*segment.Object, error) { return l.fetch(of) })
	if err != nil {
		l.a.letGo()
		return nil
	}
	if w := c.peer().Load(); w&writeShut != 0 && w&readShut != 0 || c.gone(w) {
		c.Close()
		return nil
	}
	return c
}

// fetch opens the pipe of an offer, and takes its name away: from here on only those who have it open know it.
func (l *listener) fetch(of offer) (*segment.Object, error) {
	s, name := l.a.seg.Internal(), of.name()
	o, err := s.Open(segment.Spec{Name: name, Kind: segment.KindPipe, Size: segment.AnySize})
	if err == nil {
		if err = s.Remove(name); isMissing(err) {
			err = nil // the dialer has given up
		}
		crashpoint.Here("accept.removed")
	}
	return o, err
}

// refuse tells a dialer that it will not be accepted.
func (l *listener) refuse(of offer) {
	o, err := l.fetch(of)
	if err != nil {
		return // the dialer has given up
	}
	if p, err := pipeOf(o); err == nil {
		p.refuse(1)
	}
}

// sweep removes the pipes of dialers that died before they could offer them.
func (l *listener) sweep() {
	for name, kind := range l.a.seg.Objects() {
		var of offer
		if kind != segment.KindPipe.String() {
			continue
		}
		if _, err := fmt.Sscanf(name, "conn-%d-%d", &of.Dialer, &of.Number); err != nil {
			continue
		}
		if l.d.table.Dead(proctab.Owner(of.Dialer & proctab.OwnerMask)) {
			l.a.seg.RemoveObject(name) // or somebody else has
		}
	}
}

// Addr is where the segment is.
func (l *listener) Addr() net.Addr { return address(l.a.seg.Path()) }

// Close ends Accept, now and later, with [net.ErrClosed], and takes the name away. Dialers that were not accepted are refused.
// Connections go on. It may be called again.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.d.leave(l.a)
		l.cancel()
		l.backlog.Close()
		for range l.backlog.Cap() {
			of, err := l.backlog.TryGet()
			if err != nil {
				break
			}
			l.refuse(of)
		}
		l.a.letGo()
	})
	return nil
}
