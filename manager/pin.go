package manager

import (
	"crypto/rand"
	"time"
)

// A token is what a reference on its way is redeemed with.
type token [16]byte

// A pin keeps an object for a reference that is on its way to another process. The first process
// that redeems it gets its reference. After that it keeps nothing, and can be redeemed as long as
// the object is there: a task that runs again after the death of its worker does so.
type pin struct {
	o       *object
	holds   bool // one reference of o; guarded by Server.mu
	expires *time.Timer
}

// pin makes a pin of an object, of which the caller has a reference.
func (s *Server) pin(o *object) token {
	var t token
	rand.Read(t[:]) // it never fails
	o.refs.Add(1)
	p := &pin{o: o, holds: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins[t] = p
	p.expires = time.AfterFunc(s.o.Pin, func() { s.unpin(t) })
	return t
}

// unpin ends a pin.
func (s *Server) unpin(t token) {
	s.mu.Lock()
	p := s.pins[t]
	delete(s.pins, t)
	held := p != nil && p.holds
	s.mu.Unlock()
	if held {
		s.drop(p.o, 1)
	}
}

// redeem returns the object of a pin, with one more reference, or nil.
func (s *Server) redeem(t token) *object {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pins[t]
	if p == nil {
		return nil
	}
	if p.holds {
		p.holds = false
		return p.o
	}
	for {
		n := p.o.refs.Load()
		if n == 0 {
			return nil
		}
		if p.o.refs.CompareAndSwap(n, n+1) {
			return p.o
		}
	}
}
