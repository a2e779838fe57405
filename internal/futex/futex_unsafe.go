//go:build linux

package futex

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	opWake = 1          // FUTEX_WAKE
	opWait = 9          // FUTEX_WAIT_BITSET: until a point in time of the monotonic clock
	anyBit = 0xffffffff // FUTEX_BITSET_MATCH_ANY

	sysFutexWaitv = 449 // the same on every architecture
	waitvSize32   = 2   // FUTEX2_SIZE_U32, shared between processes

	clockMonotonic = 1
)

// waitv is the kernel's struct futex_waitv.
type waitv struct {
	val   uint64
	addr  uint64
	flags uint32
	_     uint32
}

// Wait sleeps while *w.Addr equals w.Val, at most for the time-out; a time-out
// below zero means for ever. The sleep is visible to the Go scheduler.
func Wait(w Word, timeout time.Duration) Result {
	var until *unix.Timespec
	if timeout >= 0 {
		t, err := after(timeout)
		if err != nil { // no clock, no sleep: the caller polls
			time.Sleep(min(timeout, refusedPause)) // so that a loop around it is no busy one
			return Woken
		}
		until = &t
	}
	calls.waits.Add(1)
	for {
		_, _, errno := syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w.Addr)), opWait,
			uintptr(w.Val), uintptr(unsafe.Pointer(until)), 0, anyBit)
		switch errno {
		case unix.EINTR: // the runtime sends signals to its threads
		case unix.ETIMEDOUT:
			return TimedOut
		default:
			slowDown(errno)
			return Woken
		}
	}
}

// after is the time of the monotonic clock when timeout has passed.
func after(timeout time.Duration) (unix.Timespec, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(clockMonotonic, &now); err != nil {
		return now, err
	}
	return unix.NsecToTimespec(now.Nano() + int64(max(timeout, 0))), nil
}

// A Vector is a reusable list of words for [Vector.Wait]. The zero value is empty.
type Vector struct {
	v [MaxWords]waitv
	// the same addresses, for the garbage collector, which does not see those in v
	kept [MaxWords]*uint32
	n    int
}

// Reset empties the vector.
func (v *Vector) Reset() {
	clear(v.kept[:v.n])
	v.n = 0
}

// Len is the number of words in the vector.
func (v *Vector) Len() int { return v.n }

// Add appends a word. The vector keeps memory of Go's heap alive until Reset;
// mapped memory the caller keeps mapped until the wait is over. It panics when the vector is full.
func (v *Vector) Add(w Word) {
	escape(w.Addr)
	v.v[v.n] = waitv{val: uint64(w.Val), addr: uint64(uintptr(unsafe.Pointer(w.Addr))), flags: waitvSize32}
	v.kept[v.n] = w.Addr
	v.n++
}

var escaped struct {
	never bool
	addr  *uint32
}

// escape makes the compiler put what addr points to on the heap: a stack may move
// while the vector holds the address as a number.
func escape(addr *uint32) {
	if escaped.never {
		escaped.addr = addr
	}
}

// Wait sleeps until one of the words no longer has its value, one of them is
// woken, or the time-out passes. It returns the index of the word that was
// woken, or -1 when it does not know. When several words are woken before it
// returns, it returns the last of them: the wake-ups of the others are used up all the same.
//
// Preconditions: [HasWaitAny] is true; the vector is not empty.
func (v *Vector) Wait(timeout time.Duration) int {
	until, err := after(timeout)
	if err != nil {
		time.Sleep(min(timeout, refusedPause)) // so that a loop around it is no busy one
		return -1
	}
	calls.waits.Add(1)
	for {
		i, _, errno := syscall.Syscall6(sysFutexWaitv, uintptr(unsafe.Pointer(&v.v[0])), uintptr(v.n), 0,
			uintptr(unsafe.Pointer(&until)), clockMonotonic, 0)
		runtime.KeepAlive(v)
		switch errno {
		case 0:
			return int(i)
		case unix.EINTR:
		default:
			slowDown(errno)
			return -1
		}
	}
}

// slowDown lets a moment pass after an error that no wait should meet, such as that of a word in
// memory that is no longer mapped. The caller looks and waits again, and must not do so in a busy
// loop.
func slowDown(errno syscall.Errno) {
	switch errno {
	case 0, unix.EAGAIN, unix.ETIMEDOUT:
	default:
		time.Sleep(refusedPause) // so that a loop around it is no busy one
	}
}

// refusedPause is how often a caller looks where the system refuses to let it sleep.
const refusedPause = time.Millisecond

// Wake wakes at most n sleepers of the word and returns how many it woke.
func Wake(addr *uint32, n int) int {
	if n <= 0 {
		return 0 // the kernel would wake one
	}
	calls.wakes.Add(1)
	r, _, errno := syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), opWake, uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(r)
}

// probeWaitAny asks the kernel for a wait that is over before it begins.
func probeWaitAny() bool {
	word := new(uint32)
	atomic.StoreUint32(word, 1)
	v := new(Vector)
	v.Add(Word{Addr: word, Val: 0})
	var until unix.Timespec
	_, _, errno := syscall.Syscall6(sysFutexWaitv, uintptr(unsafe.Pointer(&v.v[0])), 1, 0,
		uintptr(unsafe.Pointer(&until)), clockMonotonic, 0)
	runtime.KeepAlive(v)
	return errno == unix.EAGAIN || errno == unix.ETIMEDOUT || errno == 0
}
