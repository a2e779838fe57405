package queue

import (
	"math"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/wait"
)

// A side is how the producers, or the consumers, of this process wait.
type side struct {
	event    *lock.EventCount
	single   bool          // one goroutine of the process waits at a time, by contract or under a lock; immutable
	spinning atomic.Bool   // otherwise: one spins at a time
	used     atomic.Bool   // somebody in this process has waited on this side
	vain     atomic.Uint32 // how many spins in a row were in vain
	pause    atomic.Uint32 // how long the next spin waits before its first look, in units of cpu.Pause; 0: as short as can be
	waits    atomic.Uint32 // how many waits with a pause of 0 there were
}

const (
	// maxPause is how long a stream lets the other side gather messages, or room, before it looks again.
	maxPause = 64
	// probePause is the pause that finds out whether there is a stream, once in probeEvery waits.
	probePause = 8
	// lastPause bounds how much later than it could a spinning waiter sees that its wait is over.
	lastPause = 64
	// spins is how many times the usual spinning a waiter does before it sleeps. Where a wake-up takes longer
	// than the other side spins, both would sleep for each round of the ring.
	spins = 2
	// After a spin in vain, waiters look only a few times, except for one of probeEvery.
	fewLooks   = 6
	probeEvery = 16
)

// opening is the pause before the first look of a spin.
//
// Several messages, or rooms, at once are a stream: to fetch each as it comes would move the cache lines
// to and fro for each. A single one is a conversation, where each pause is felt. A consumer that is
// faster than its producer finds single messages, too: only a longer pause tells. So now and then there is one.
func (s *side) opening() uint32 {
	if pause := s.pause.Load(); pause > 0 {
		return pause
	}
	n := s.waits.Load() + 1
	s.waits.Store(n) // a count that several goroutines make at once may be lost
	if n%probeEvery == 0 {
		s.pause.Store(probePause)
		return probePause
	}
	return 1
}

// learn adapts the next spins: a wait has found more than the one thing that it waited for, or not.
func (s *side) learn(more bool) {
	pause := s.pause.Load()
	switch {
	case !more && pause <= probePause:
		pause = 0
	case !more:
		pause /= 2
	default:
		pause = min(2*max(pause, 1), maxPause)
	}
	s.pause.Store(pause)
}

// stares is how often a waiter that never sleeps looks as fast as it can. Behind the gate of the event it looks at longer and longer
// intervals, which would be felt in a conversation.
const stares = 1024

// mayStare reports whether to look at short intervals: not where the other side may be a goroutine that needs this processor.
func (s *side) mayStare(other *side) bool {
	if !s.used.Load() {
		s.used.Store(true)
	}
	return !other.used.Load()
}

// stare looks at short intervals for a while, and reports whether ready did. It is for those who never sleep.
func (s *side) stare(other *side, ready func() bool) bool {
	if !s.mayStare(other) || !s.begin() {
		return false
	}
	seen := ready()
	for looks := 1; !seen && looks < stares; looks++ {
		cpu.Pause(1)
		seen = ready()
	}
	s.end()
	return seen
}

// glances is how many looks at the tail alone there are in a row, where the whole look is longer.
const glances = 8

// glance returns once the tail is not at next any more, or after a few looks. The quicker a look is, the sooner something is seen. The place
// of what comes next is fetched at the same time as the tail that tells of it: one after the other would take twice as long.
func glance(tail *atomic.Uint64, next uint64, place *byte) {
	for range glances {
		if cpu.Prefetch(place); tail.Load() != next {
			return
		}
		cpu.Pause(1)
	}
}

// begin reports whether the caller may spin; end ends it.
func (s *side) begin() bool { return s.single || s.spinning.CompareAndSwap(false, true) }

func (s *side) end() {
	if !s.single {
		s.spinning.Store(false)
	}
}

// spin looks a bounded number of times, and reports whether ready did.
//
// Spinning pays only while the other side runs on another processor. When it was in vain,
// the next waits are short, but for one now and then that finds out whether things have changed.
func (s *side) spin(other *side, ready func() bool) bool {
	if !s.used.Load() {
		s.used.Store(true)
	}
	if other.used.Load() { // the other side may be a goroutine that needs this processor
		if runtime.Gosched(); ready() {
			return true
		}
	}
	if !s.begin() {
		return false
	}
	defer s.end()
	vain := s.vain.Load()
	looks := fewLooks
	if vain%probeEvery == 0 {
		looks = math.MaxInt
	}
	first := s.opening()
	for range spins {
		for spin := wait.NewSpin(wait.Adaptive, first, lastPause); looks > 0 && spin.Pause(); looks-- {
			if ready() {
				if vain != 0 {
					s.vain.Store(0)
				}
				return true
			}
		}
	}
	s.vain.Store(vain + 1)
	return false
}
