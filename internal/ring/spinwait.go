package ring

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// A SpinWait is how the goroutines of this process wait at one end of a ring: they spin for a while
// and then sleep on an event count. It remembers how the last spins ended.
type SpinWait struct {
	Event *lock.EventCount // that the waiters of this end sleep on; immutable
	// one goroutine of the process waits at a time, by contract or under a lock; immutable
	Single bool

	spinning    atomic.Bool   // unless Single: one goroutine spins at a time
	used        atomic.Bool   // a goroutine of this process has waited here
	failedSpins atomic.Uint32 // how many spins in a row found nothing
	// how long the next spin waits before its first look, in units of cpu.Pause; 0: not at all
	pause atomic.Uint32
	waits atomic.Uint32 // how many waits with a pause of 0 there were
}

const (
	// maxPause is how long a stream lets the other end gather messages, or room, before the waiter
	// looks again.
	maxPause = 64
	// probePause is the pause that finds out whether there is a stream, once in probeEvery waits.
	probePause = 8
	// lastPause bounds how much later than it could a spinning waiter sees that its wait is over.
	lastPause = 64
	// spins is how many times the usual spinning a waiter does before it sleeps. Where a wake-up
	// takes longer than the other end spins, both would sleep for each round of the ring.
	spins = 2
	// After a spin that found nothing, waiters look only a few times, except for one of probeEvery.
	fewLooks   = 6
	probeEvery = 16

	// HotSpins is how often a waiter that never sleeps looks as fast as it can. Behind the gate of
	// the event count the intervals grow, which a conversation would feel.
	HotSpins = 1024
)

// Bind makes w wait on the event count in mem, a part of the object. Sleepers are reported to wait
// in that role.
func (w *SpinWait) Bind(o *segment.Object, mem []byte, role lock.Role) {
	w.Event = lock.NewEventCount(o.Party(), mem)
	w.Event.Target = o.Target(role)
}

// SpinThen spins as the policy wants it, and reports whether ready did. If not, the waiter sleeps
// by the policy that SpinThen returns.
func (w *SpinWait) SpinThen(policy wait.Policy, other *SpinWait, ready func() bool) (wait.Policy, bool) {
	switch policy {
	case wait.Adaptive:
		return wait.Parking, w.spinAdaptive(other, ready)
	case wait.Spinning:
		return policy, w.spinHot(other, ready)
	}
	return policy, false
}

// Await waits until ready reports true: it spins, and then it sleeps, which it counts. Extra adds
// what else ends the sleep; nil adds nothing.
//
// Errors: the context's error, as a [*wait.LateError]; [lock.ErrClosed].
func (w *SpinWait) Await(ctx context.Context, policy wait.Policy, other *SpinWait, ready func() bool, extra func(*lock.Watch), c *Counters) error {
	policy, over := w.SpinThen(policy, other, ready)
	if over {
		return nil
	}
	c.Waits.Add(1)
	began := wait.Start(ctx)
	return wait.Late(ctx, w.Event.Await(ctx, policy, ready, extra), began)
}

// firstPause is the pause before the first look of a spin.
//
// Several messages, or rooms, at once are a stream: a waiter that fetched each as it comes would
// move the cache lines to and fro for each. A single one is a conversation, where each pause is
// felt. A consumer that is faster than its producer finds single messages, too: only a longer pause
// tells the two apart. So now and then there is one.
func (w *SpinWait) firstPause() uint32 {
	if pause := w.pause.Load(); pause > 0 {
		return pause
	}
	n := w.waits.Load() + 1
	w.waits.Store(n) // a count that several goroutines make at once may be lost
	if n%probeEvery == 0 {
		w.pause.Store(probePause)
		return probePause
	}
	return 1
}

// Adapt sets the pause of the next spins. More says that a wait has found more than the one thing
// that it was for.
func (w *SpinWait) Adapt(more bool) {
	pause := w.pause.Load()
	switch {
	case !more && pause <= probePause:
		pause = 0
	case !more:
		pause /= 2
	default:
		pause = min(2*max(pause, 1), maxPause)
	}
	w.pause.Store(pause)
}

// Use notes that goroutines of this process work at this end, for waiters at the other end. Waits
// do so themselves.
func (w *SpinWait) Use() {
	if !w.used.Load() {
		w.used.Store(true)
	}
}

// MaySpinHot reports whether to look at short intervals. That is wrong where the other end may be a
// goroutine that needs this processor.
func (w *SpinWait) MaySpinHot(other *SpinWait) bool {
	w.Use()
	return !other.used.Load()
}

// spinHot looks at short intervals for a while, and reports whether ready did. It is for waiters
// that never sleep.
func (w *SpinWait) spinHot(other *SpinWait, ready func() bool) bool {
	if !w.MaySpinHot(other) || !w.begin() {
		return false
	}
	seen := ready()
	for looks := 1; !seen && looks < HotSpins; looks++ {
		cpu.Pause(1)
		seen = ready()
	}
	w.end()
	return seen
}

// begin reports whether the caller may spin; end ends it.
func (w *SpinWait) begin() bool { return w.Single || w.spinning.CompareAndSwap(false, true) }

func (w *SpinWait) end() {
	if !w.Single {
		w.spinning.Store(false)
	}
}

// spinAdaptive looks a bounded number of times, and reports whether ready did.
//
// Spinning pays only while the other end runs on another processor. After a spin that found nothing
// the next waits are short, but for one now and then that finds out whether things have changed.
func (w *SpinWait) spinAdaptive(other *SpinWait, ready func() bool) bool {
	w.Use()
	if other.used.Load() { // the other end may be a goroutine that needs this processor
		if runtime.Gosched(); ready() {
			return true
		}
	}
	if !w.begin() {
		return false
	}
	defer w.end()
	failed := w.failedSpins.Load()
	looks := fewLooks
	if failed%probeEvery == 0 {
		looks = math.MaxInt
	}
	first := w.firstPause()
	for range spins {
		for spin := wait.NewSpin(wait.Adaptive, first, lastPause); looks > 0 && spin.Pause(); looks-- {
			if ready() {
				if failed != 0 {
					w.failedSpins.Store(0)
				}
				return true
			}
		}
	}
	w.failedSpins.Store(failed + 1)
	return false
}
