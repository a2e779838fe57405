// Package event holds the flag that goroutines wait for.
package event

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Flag is one process's half of a flag in shared memory that goroutines of all
// processes wait for. Each process has one Flag for each flag. It must not be copied.
//
//	bit 0       set
//	bits 1..31  how often it was set, modulo 2^31
//
//	#  set  meaning   next
//	1  0    not set   set -> 2, and one more
//	2  1    set       clear -> 1
//
// A waiter remembers the number with which it began. So it notices that the event was set even
// when it looks only after it was cleared again.
//
// What a death leaves behind: before the CAS, nothing. After it, an event that is set, with
// sleepers that were not woken yet: they look again within the backstop. A waiter leaves an armed
// bell, see [lock.EventCount].
type Flag struct {
	f      *region
	party  *lock.Party
	count  *lock.EventCount
	policy wait.Policy
	shadow race.Shadow

	// Keep is the object. It stays reachable for as long as a call goes on, so that its memory is
	// not used anew. Set before the first use.
	Keep any
}

const (
	isSet   = 1 << 0
	setOnce = 1 << 1 // what the word grows by when it is set once more
)

// New views the first [Bytes] of mem, which lie in the party's segment, as an event.
func New(p *lock.Party, mem []byte, policy wait.Policy) *Flag {
	return &Flag{f: regionIn(mem), party: p, count: lock.NewSwappedCount(p, mem[countOffset:]), policy: policy}
}

// Sets is a number that changes with each Set that sets the event.
func (e *Flag) Sets() uint32 {
	sets := e.f.word.Load()
	runtime.KeepAlive(e)
	return sets
}

// SetTarget says what waiters are reported to wait for; before the first use.
func (e *Flag) SetTarget(subject lock.Target) { e.count.Target = subject }

// IsSet reports whether the event is set.
func (e *Flag) IsSet() bool {
	set := e.f.word.Load()&isSet != 0
	if set {
		e.shadow.Acquire()
	}
	runtime.KeepAlive(e)
	return set
}

// Set sets the event and wakes all waiters. It does nothing when the event is set already.
func (e *Flag) Set() {
	defer runtime.KeepAlive(e)
	if e.party.Closer.Closed() {
		return
	}
	e.shadow.ReleaseMerge()
	for {
		w := e.f.word.Load()
		if w&isSet != 0 {
			// the process that set it wakes the sleepers, or they look again within the backstop
			return
		}
		// SYNC: event: what was done before Set is visible to every waiter that sees the event set,
		// or the number moved on.
		if e.f.word.CompareAndSwap(w, w&^isSet+setOnce|isSet) { // #1 -> #2
			crashpoint.Here("event.set")
			e.count.NotifyAll()
			return
		}
	}
}

// Clear makes the event one that is not set. It does nothing when it is not.
func (e *Flag) Clear() {
	defer runtime.KeepAlive(e)
	for !e.party.Closer.Closed() {
		w := e.f.word.Load()
		if w&isSet == 0 || e.f.word.CompareAndSwap(w, w&^isSet) { // #2 -> #1
			crashpoint.Here("event.cleared")
			return
		}
	}
}

// Wait returns nil when the event is set, or has been set since the call began.
//
// Errors: [lock.ErrClosed], the context's error.
func (e *Flag) Wait(ctx context.Context) error {
	began := e.f.word.Load()
	if e.party.Closer.Closed() {
		return e.party.Closer.Err()
	}
	var err error
	if began&isSet == 0 {
		err = e.wait(ctx, began)
	}
	if err == nil {
		e.shadow.Acquire()
	}
	runtime.KeepAlive(e)
	return err
}

func (e *Flag) wait(ctx context.Context, began uint32) error {
	// when it is not set, only a Set changes it
	ready := func() bool { return e.f.word.Load() != began }
	err := e.count.AwaitEach(ctx, e.policy, ready, nil)
	if err != nil && !e.party.Closer.Closed() && ready() {
		return nil // it was set while this goroutine followed another
	}
	return err
}
