package pipe

import (
	"fmt"
	"net"
	"runtime"

	"github.com/shmkit/shmkit/internal/lock"
	shmsync "github.com/shmkit/shmkit/sync"
)

// source is what a Select sees of a Conn or a listener.
func source(open func() lock.Source) shmsync.Source { return lock.PublicSource(open).(shmsync.Source) }

// Reads is a source for [shmsync.NewSelect] that is ready when Read would return at once: with
// bytes, at the end of the stream, or with an error.
func (c *Conn) Reads() shmsync.Source {
	return source(func() lock.Source {
		return lock.Source{
			Event: c.in.Get.Event, Policy: c.policy,
			Ready: func() bool {
				ready := c.readable()
				runtime.KeepAlive(c)
				return ready
			},
			Watch: c.watch, Pin: c.pin, Unpin: c.release,
		}
	})
}

// Writes is a source for [shmsync.NewSelect] that is ready when a Write of one byte would return at
// once: there is room, or it would fail. A longer Write may have to wait for more room: a deadline,
// set by SetWriteDeadline, bounds it.
func (c *Conn) Writes() shmsync.Source {
	return source(func() lock.Source {
		return lock.Source{
			Event: c.out.Put.Event, Policy: c.policy,
			Ready: func() bool {
				ready := c.writable()
				runtime.KeepAlive(c)
				return ready
			},
			Watch: c.watch, Pin: c.pinWrites, Unpin: c.release,
		}
	})
}

// readable reports whether a Read would return at once. It looks at nothing that a Read which is
// under way guards.
func (c *Conn) readable() bool {
	if c.stopError(&c.rd) != nil {
		return true
	}
	peer := c.peer().Load()
	dead := c.ownerDead(peer)
	return c.in.Filled() != 0 || peer&writeShut != 0 || dead
}

// writable reports whether a Write of one byte would return at once.
func (c *Conn) writable() bool {
	if c.stopError(&c.wr) != nil {
		return true
	}
	peer := c.peer().Load()
	return peer&readShut != 0 || c.ownerDead(peer) || c.out.Filled() != c.out.Capacity()
}

// pin keeps the shared memory in use until release. It reports false when the end was closed.
func (c *Conn) pin() bool {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if c.closed {
		return false
	}
	c.users.Add(1)
	return true
}

// pinWrites is pin for a Select that waits for room, of which one byte is enough for it. A Write
// that is under way has said what it waits for, and is told of all room from then on.
func (c *Conn) pinWrites() bool {
	if !c.pin() {
		return false
	}
	if c.wr.mu.TryLock() {
		c.out.WantRoom(1)
		c.wr.mu.Unlock()
	}
	return true
}

// Accepts is a source for [shmsync.NewSelect] that is ready when Accept of the listener, which
// [Listen] has returned, would return at once. It panics when l is another listener.
//
// Where other goroutines are in Accept, one of them may be faster, and Accept waits then.
func Accepts(l net.Listener) shmsync.Source {
	own, ok := l.(*listener)
	if !ok {
		panic(fmt.Sprintf("pipe: Accepts of a %T, which Listen has not returned", l))
	}
	return source(func() lock.Source {
		s := lock.OpenSource(own.backlog.Gets())
		waiting := s.Ready
		s.Ready = func() bool { return own.acceptable(waiting) }
		s.More = func() bool { return true } // the next offer may be another goroutine's
		return s
	})
}
