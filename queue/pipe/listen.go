package pipe

import (
	"context"
	"errors"
	"net"

	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// ListenOptions say how a listener is made. The zero value is good.
type ListenOptions struct {
	// Buffer is how many bytes can be under way in each direction of a connection, rounded up to a
	// power of two; 0 means 64 KiB.
	Buffer int

	// Backlog is how many dialers can wait to be accepted, rounded up to a power of two; 0 means
	// 128. Further dialers wait for room there.
	Backlog int

	// Wait says how Accept, and the connections at this side, wait.
	Wait shmsync.WaitPolicy

	// Segment is how the segment is made that the connections lie in. Size 0 means 1 GiB, of which
	// only as much is ever taken as connections need; Objects 0 means 16384, the number of
	// connections at once.
	Segment shm.Options
}

const (
	defaultBacklog     = 128
	defaultListenSize  = 1 << 30
	defaultConnections = 16384
)

// Listen makes a segment of that name, see [shm.Create], and accepts the connections that others
// make to it with [Dial]. The connections are of type [*Conn].
//
// A name has one listener. A listener that is dead, or closed, is replaced; its connections go on.
//
// Errors: [syscall.EADDRINUSE] when a living process listens there; [io/fs.ErrExist] when the
// segment is not a listener's; those of [shm.OpenOrCreate].
func Listen(name string, o ListenOptions) (net.Listener, error) {
	buffer, err := Options{Buffer: o.Buffer}.capacity(name)
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
	for range 100 { // a name that comes and goes settles within fewer rounds
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

// errReplaced says that the segment was that of a dead listener, and has lost its name.
var errReplaced = errors.New("replaced")

func listenOnce(name string, buffer uint64, o ListenOptions) (net.Listener, error) {
	a, err := attach(name, func() (*shm.Segment, error) { return shm.OpenOrCreate(name, o.Segment) })
	if err != nil {
		return nil, err
	}
	reg, err := register(a, buffer)
	if err == nil {
		var q *queue.Queue[offer]
		q, err = queue.NewQueue[offer](a.seg, backlogName, o.Backlog, queue.Options{Wait: o.Wait})
		if err == nil {
			l := &listener{a: a, reg: reg, backlog: q, policy: wait.Policy(o.Wait)}
			l.ctx, l.cancel = context.WithCancel(context.Background())
			return l, nil
		}
		reg.unregister(a)
	}
	if errors.Is(err, shm.ErrRemoved) { // by a process that replaces the same listener
		a.invalidate()
		err = errReplaced
	}
	a.release()
	return nil, err
}
