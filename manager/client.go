package manager

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/errno"
)

// A client is what this process has of one manager: one connection at a time, for all its Managers
// and references.
type client struct {
	place   string // in clients
	address string
	o       Options
	dialing chan struct{} // has a value while a goroutine connects

	// guarded by clientsMu
	managers int
	uses     int         // references, and calls that are about to make one
	idle     *time.Timer // closes it, when it has no managers and uses

	mu       sync.Mutex
	l        *link // the newest; nil before the first
	closed   bool
	connects int // connections so far
}

// idleTime is how long a connection stays that was made for references alone, without one.
const idleTime = time.Second

var (
	clientsMu sync.Mutex
	clients   = map[string]*client{} // by place
)

func placeOf(address string, key []byte) string {
	sum := sha256.Sum256(key)
	return address + "\x00" + string(sum[:])
}

// join returns the client of an address and key for one more Manager.
func join(address string, o Options) *client {
	place := placeOf(address, o.Key)
	clientsMu.Lock()
	defer clientsMu.Unlock()
	c := clients[place]
	if c == nil {
		c = newClient(place, address, o)
	} else if c.managers == 0 { // it was made for references
		c.o.OnLost = o.OnLost
	}
	c.managers++
	return c
}

// newClient adds a client. The caller holds clientsMu.
func newClient(place, address string, o Options) *client {
	c := &client{place: place, address: address, o: o, dialing: make(chan struct{}, 1)}
	clients[place] = c
	return c
}

// clientFor returns a client of an address, with one more use: one that has a Manager, if possible.
func clientFor(address string) *client {
	clientsMu.Lock()
	defer clientsMu.Unlock()
	var found *client
	for place, c := range clients {
		if at, _, _ := strings.Cut(place, "\x00"); at == address && (found == nil || c.managers > 0) {
			found = c
		}
	}
	if found == nil {
		o, _ := Options{}.complete()
		found = newClient(placeOf(address, nil), address, o)
	}
	found.uses++
	return found
}

// enter counts one more use.
func (c *client) enter() {
	clientsMu.Lock()
	defer clientsMu.Unlock()
	c.uses++
}

// leave ends a use.
func (c *client) leave() {
	clientsMu.Lock()
	defer clientsMu.Unlock()
	if c.uses--; c.uses > 0 || c.managers > 0 || clients[c.place] != c {
		return
	}
	if c.idle != nil {
		c.idle.Stop()
	}
	c.idle = time.AfterFunc(idleTime, func() {
		clientsMu.Lock()
		unused := c.uses == 0 && c.managers == 0 && clients[c.place] == c
		if unused {
			delete(clients, c.place)
		}
		clientsMu.Unlock()
		if unused {
			c.close()
		}
	})
}

// part ends the use by a Manager. With the last one the connection ends.
func (c *client) part() {
	clientsMu.Lock()
	c.managers--
	last := c.managers == 0
	if last && clients[c.place] == c {
		delete(clients, c.place)
	}
	clientsMu.Unlock()
	if last {
		c.close()
	}
}

func (c *client) close() {
	c.mu.Lock()
	c.closed = true
	l := c.l
	c.mu.Unlock()
	if l != nil {
		l.fail(ErrClosed)
	}
}

// current returns the connection, if it takes requests.
func (c *client) current() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, fmt.Errorf("%w: the manager %s, by this process", ErrClosed, c.address)
	}
	if c.l != nil && !c.l.dead.Load() {
		return c.l, nil
	}
	return nil, nil
}

// The pause between two attempts to connect again doubles from the first to the last.
const (
	firstPause = time.Millisecond
	lastPause  = time.Second
)

// connected returns the connection, and makes one if there is none. After the loss of a connection
// it tries again and again while ctx has a deadline: the manager may be about to be started again.
//
// Errors: [ErrClosed], the cause of the end of ctx, those of dialing.
func (c *client) connected(ctx context.Context) (*link, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		l, err := c.current()
		if l != nil || err != nil {
			return l, err
		}
		select {
		case c.dialing <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		l, err = c.connectOnce(ctx)
		<-c.dialing
		if err == nil {
			return l, nil
		}
		_, bounded := ctx.Deadline()
		if !bounded || !c.wasConnected() || !errors.Is(err, errno.ConnectionRefused) {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
}

func (c *client) wasConnected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connects > 0
}

// connectOnce connects, unless another goroutine has.
func (c *client) connectOnce(ctx context.Context) (*link, error) {
	if l, err := c.current(); l != nil || err != nil {
		return l, err
	}
	conn, err := dial(ctx, c.address, &c.o)
	if err != nil {
		return nil, fmt.Errorf("manager %s: %w", c.address, err)
	}
	l, err := connect(ctx, c.address, conn, &c.o)
	if err != nil {
		return nil, fmt.Errorf("manager %s: %w", c.address, err)
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.l = l
		c.connects++
	}
	c.mu.Unlock()
	if closed {
		l.fail(ErrClosed)
		return nil, ErrClosed
	}
	go c.watch(l)
	return l, nil
}

// watch tells of the loss of a connection.
func (c *client) watch(l *link) {
	<-l.ended
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	clientsMu.Lock()
	tell := c.o.OnLost
	clientsMu.Unlock()
	if !closed && tell != nil {
		tell(&LostError{Manager: c.address, Call: "connection", Cause: l.cause})
	}
}
