package lock

import "sync"

// A crowd is the readers of one process that wait for a writer to leave. They go in together.
type crowd struct {
	mu     sync.Mutex
	guests []*guest // in no order
}

// A guest is one waiting reader.
type guest struct {
	in       chan struct{} // gets a token when the guest is let in
	at       int           // where among the guests; guarded by mu
	admitted bool          // guarded by mu
}

var guestPool = sync.Pool{New: func() any { return &guest{in: make(chan struct{}, 1)} }}

func (c *crowd) join() *guest {
	g := guestPool.Get().(*guest)
	c.mu.Lock()
	g.at, g.admitted = len(c.guests), false
	c.guests = append(c.guests, g)
	c.mu.Unlock()
	return g
}

// has reports whether g was let in.
func (c *crowd) has(g *guest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return g.admitted
}

// leave ends the wait of g, which is not used after that, and reports whether it was let in.
func (c *crowd) leave(g *guest) (admitted bool) {
	c.mu.Lock()
	if admitted = g.admitted; !admitted {
		last := len(c.guests) - 1
		c.guests[g.at] = c.guests[last]
		c.guests[g.at].at = g.at
		c.guests[last] = nil
		c.guests = c.guests[:last]
	}
	c.mu.Unlock()
	select {
	case <-g.in: // nobody took it
	default:
	}
	guestPool.Put(g)
	return admitted
}

// admit lets all in. The caller has mu, and has counted them.
func (c *crowd) admit() {
	for i, g := range c.guests {
		g.admitted = true
		g.in <- struct{}{}
		c.guests[i] = nil
	}
	c.guests = c.guests[:0]
}
