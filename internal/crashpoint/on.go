//go:build crashtest

package crashpoint

import (
	"sync/atomic"
	"syscall"
)

// Enabled says whether this build has crash points.
const Enabled = true

// plan is what happens at the points passed from now on. It is replaced as a whole, never changed.
type plan struct {
	passed atomic.Int64
	at     int64 // the point that raises signal; below 1 none does
	signal syscall.Signal
}

var (
	current atomic.Pointer[plan]
	tracer  atomic.Pointer[func(name string)]
)

// Here marks a point between two writes to shared memory. name says what has just been done, such
// as "lock.unlock.released". It may be called from any goroutine.
func Here(name string) {
	if trace := tracer.Load(); trace != nil {
		(*trace)(name)
	}
	if p := current.Load(); p != nil && p.passed.Add(1) == p.at {
		raise(p.signal)
	}
}

// Arm starts to count points at zero and lets the n-th kill this process with SIGKILL. The
// goroutine that passes it does not run on; others may run until the kernel has stopped them, as
// with any kill. With n below 1 the points are only counted.
func Arm(n int) { current.Store(&plan{at: int64(n), signal: syscall.SIGKILL}) }

// Stop is Arm with SIGSTOP: at its n-th point the whole process stands still until it gets SIGCONT,
// or is killed. The goroutine that passed the point then goes on behind it.
func Stop(n int) { current.Store(&plan{at: int64(n), signal: syscall.SIGSTOP}) }

// Disarm ends what Arm or Stop began and returns how many points were passed since. It returns 0
// when neither was called.
func Disarm() int {
	p := current.Swap(nil)
	if p == nil {
		return 0
	}
	return int(p.passed.Load())
}

// Trace lets each point call f with its name, also the one that kills, on the goroutine that passes
// it. f must be safe for several goroutines at once and must not pass a point itself. A nil f ends
// it.
func Trace(f func(name string)) {
	if f == nil {
		tracer.Store(nil)
		return
	}
	tracer.Store(&f)
}
