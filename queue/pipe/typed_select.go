package pipe

import (
	"context"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/lock"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Recvs is a source for [shmsync.NewSelect] that is ready when Recv would return at once: with a
// whole message, or with an error.
//
// What is not in shared memory, such as a socket, is read by a goroutine, from the first look of a
// Select on: it reads one message, and waits for the next one when a Select looks again. It ends
// with the connection. A Try finds what that goroutine has read.
func (c *TypedConn[S, R]) Recvs() shmsync.Source {
	conn, ok := c.conn.(*Conn)
	if !ok {
		return source(c.in.ahead)
	}
	return source(func() lock.Source {
		return lock.Source{
			Event: conn.in.Get.Event, Policy: conn.policy, Ready: c.in.look,
			Watch: conn.watch, Pin: conn.pin, Unpin: conn.release,
		}
	})
}

// A readAhead is what the Selects of an inbox share that cannot look at its connection without a
// wait.
type readAhead struct {
	mu      sync.Mutex
	reading bool            // a goroutine waits for a message; guarded by mu
	waiting []chan struct{} // of the Selects that wait: get a value when it has one; guarded by mu
}

// ahead is the source of one Select.
func (in *inbox) ahead() lock.Source {
	arrived := make(chan struct{}, 1)
	a := in.others
	return lock.Source{
		Done: arrived,
		Begin: func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.waiting = append(a.waiting, arrived)
		},
		End: func(bool) {
			a.mu.Lock()
			defer a.mu.Unlock()
			i := slices.Index(a.waiting, arrived)
			a.waiting = slices.Delete(a.waiting, i, i+1)
		},
		Ready: func() bool {
			if in.look() {
				return true
			}
			in.readOn()
			return false
		},
	}
}

// readOn has a goroutine wait for a message or for the end, unless one does.
func (in *inbox) readOn() {
	a := in.others
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reading {
		return
	}
	a.reading = true
	go func() {
		<-in.turn
		in.await(context.Background())
		in.turn <- struct{}{}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.reading = false
		for _, arrived := range a.waiting {
			select {
			case arrived <- struct{}{}:
			default: // it has been told already
			}
		}
	}()
}
