package pipe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// DialOptions say how a connection waits at the side that makes it. The zero value is good.
type DialOptions struct {
	// Wait says how Read and Write wait.
	Wait shmsync.WaitPolicy
}

// dialed numbers the pipes that this process makes.
var dialed atomic.Uint64

// A dialer makes one connection.
type dialer struct {
	a       *attachment
	reg     *registration
	backlog *queue.Queue[offer]
	of      offer
	owner   uint32 // the listener's word
	c       *Conn
	err     error
}

// Dial connects to the listener of that name, see [Listen], and waits until it accepts, or ctx
// ends. The connection is of type [*Conn].
//
// Errors: a [*net.OpError]
//   - with [syscall.ECONNREFUSED]: no process listens there, or the listener was closed, or died,
//     meanwhile.
//   - with the context's error, a [*shm.NoSpaceError], or those of [shm.Open] except
//     [io/fs.ErrNotExist].
func Dial(ctx context.Context, name string, o DialOptions) (net.Conn, error) {
	for {
		c, err := dialOnce(ctx, name, o)
		if err == errInvalidated {
			continue // by the next attempt the name leads to another listener, or nowhere
		}
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, shm.ErrRemoved) {
				err = errno.ConnectionRefused
			}
			return nil, &net.OpError{Op: "dial", Net: network, Addr: address(name), Err: err}
		}
		return c, nil
	}
}

// errInvalidated says that the attachment that this process had was to a listener that has gone.
var errInvalidated = errors.New("invalidated")

func dialOnce(ctx context.Context, name string, o DialOptions) (*Conn, error) {
	fresh := false
	a, err := attach(name, func() (*shm.Segment, error) {
		fresh = true
		return shm.OpenContext(ctx, name)
	})
	if err != nil {
		return nil, err
	}
	r := &dialer{a: a}
	err = r.findListener(ctx)
	if err == errno.ConnectionRefused {
		a.invalidate()
		if !fresh {
			err = errInvalidated
		}
	}
	if err == nil {
		err = r.connect(ctx, o)
	}
	if err != nil {
		// A connection that was given up has not released its attachment itself: its ended is
		// unset.
		a.release()
		return nil, err
	}
	runtime.KeepAlive(r)
	return r.c, nil
}

// findListener finds the listener and its backlog.
func (r *dialer) findListener(ctx context.Context) error {
	o, err := segment.Of(r.a.seg).OpenContext(ctx,
		segment.Spec{Name: listenerName, Kind: segment.KindListener, Size: listenHeadBytes})
	if errors.Is(err, fs.ErrNotExist) {
		return errno.ConnectionRefused
	}
	if err != nil {
		return err
	}
	r.reg = registrationOf(o)
	r.owner = r.reg.head.owner.Load()
	for r.reg.alive(r.owner) {
		r.backlog, err = queue.OpenQueue[offer](r.a.seg.WithContext(ctx), backlogName, queue.Options{})
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select { // the listener is just beginning
		case <-time.After(time.Millisecond):
		case <-ctx.Done(): // the caller no longer waits
			return context.Cause(ctx)
		}
	}
	return errno.ConnectionRefused
}

// refused reports whether the listener has gone.
func (r *dialer) refused() bool {
	w := r.reg.head.owner.Load()
	return w != r.owner || !r.reg.alive(w)
}

// connect makes a pipe, offers it, and waits for the listener to take it. One compare-and-swap of
// the word of the pipe's second end decides for both sides whether there is a connection: the
// listener takes the end, or one of the two refuses it.
//
// What a death leaves behind: a pipe with a name, which the listener removes.
func (r *dialer) connect(ctx context.Context, o DialOptions) error {
	r.of = offer{uint64(segment.Of(r.a.seg).Me()), dialed.Add(1)}
	buffer := r.reg.head.buffer
	if buffer > maxBuffer || buffer < minBuffer {
		return fmt.Errorf("listener %s: %w: a buffer of %d bytes: must be from %d to %d",
			r.a.seg.Path(), shm.ErrCorrupt, buffer, minBuffer, maxBuffer)
	}
	c, err := New(r.a.seg.WithContext(ctx), r.of.name(), Options{Buffer: int(buffer), Wait: o.Wait})
	if err != nil {
		return err
	}
	crashpoint.Here("dial.made")
	r.c = c
	if err = r.put(ctx); err == nil {
		crashpoint.Here("dial.offered")
		err = r.awaitAccept(ctx)
	}
	// The listener must never have an end that it has not taken by now. An end that it has taken is
	// a connection, which Accept returns, whatever error came here meanwhile.
	if err != nil && c.p.refuse(1) {
		c.Close()
		r.a.seg.WithContext(ctx).RemoveObject(r.of.name()) // unless the listener has, or will
		return err
	}
	c.ended = r.a.release
	return nil
}

// put waits for room in the backlog.
func (r *dialer) put(ctx context.Context) error {
	began := wait.Start(ctx)
	err := r.reg.room.Await(ctx, wait.Adaptive, func() bool {
		r.err = r.backlog.TryPut(r.of)
		if errors.Is(r.err, queue.ErrClosed) || r.refused() && r.err != nil {
			r.err = errno.ConnectionRefused
		}
		return r.err != queue.ErrFull
	}, r.watch)
	err = r.late(ctx, err, "room in the backlog", began)
	if err == nil {
		err = r.err
	}
	if err != nil {
		r.reg.room.Notify() // this dialer may have been woken in the place of another one
	}
	return err
}

// awaitAccept waits until the pipe's other end is the listener's.
func (r *dialer) awaitAccept(ctx context.Context) error {
	began := wait.Start(ctx)
	err := r.c.in.Get.Event.Await(ctx, wait.Adaptive, func() bool {
		return r.c.peer().Load() != 0 || r.refused()
	}, r.watch)
	if err != nil {
		return r.late(ctx, err, "the listener to accept", began)
	}
	if ownerOfEnd(r.c.peer().Load()) == 0 {
		return errno.ConnectionRefused
	}
	return nil
}

// late says in the error of ctx what the wait was for, and which process listens.
func (r *dialer) late(ctx context.Context, err error, what string, began time.Time) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if listener, ok := r.reg.table.Info(ownerOfEnd(r.owner)); ok {
		what += fmt.Sprintf(", %v", listener)
	}
	return fmt.Errorf("waited for %s: %w", what, wait.Late(ctx, err, began))
}

// watch ends a sleep with the death of the listener.
func (r *dialer) watch(w *lock.Watch) { w.Process(ownerOfEnd(r.owner)) }
