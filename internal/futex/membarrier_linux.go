package futex

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	membarrierQuery                   = 0
	membarrierGlobalExpedited         = 1 << 1
	membarrierRegisterGlobalExpedited = 1 << 2
)

// HasMembarrier reports whether the kernel offers [Membarrier].
var HasMembarrier = sync.OnceValue(func() bool {
	if Disabled("membarrier") {
		return false
	}
	commands, _, errno := syscall.RawSyscall(unix.SYS_MEMBARRIER, membarrierQuery, 0, 0)
	return errno == 0 && commands&membarrierGlobalExpedited != 0
})

var registered atomic.Bool

// Register has the barriers of all processes reach this one from now on, and
// reports whether they do. The first call takes some ten milliseconds, in which
// the kernel waits until every processor has passed through its scheduler.
var Register = sync.OnceValue(func() bool {
	if !HasMembarrier() {
		return false
	}
	_, _, errno := syscall.Syscall(unix.SYS_MEMBARRIER, membarrierRegisterGlobalExpedited, 0, 0)
	registered.Store(errno == 0)
	return errno == 0
})

// Registered reports whether the barriers of others reach this process. As long
// as they do not it has to issue fences of its own where it relies on them.
func Registered() bool { return registered.Load() }

// pause is longer than stores linger in a processor: some microseconds at most.
const pause = 500 * time.Microsecond

// MembarrierOrPause is [Membarrier] that lets time pass where the kernel refuses: what other
// processors have stored before it is visible after it all the same, and what they load later sees
// what the caller has stored before. Threads of the dying run on.
func MembarrierOrPause() {
	if !Membarrier() {
		time.Sleep(pause) // see pause
	}
}

// Membarrier makes every running thread of every registered process pass a full
// memory barrier before it returns; the caller passes one too, and need not be registered. It also
// sends each of these threads through the kernel, where one with a fatal signal pending ends.
//
// It reports false where the kernel refuses; nothing is ordered then.
func Membarrier() bool {
	if !HasMembarrier() {
		return false
	}
	calls.membarriers.Add(1)
	_, _, errno := syscall.RawSyscall(unix.SYS_MEMBARRIER, membarrierGlobalExpedited, 0, 0)
	return errno == 0
}
