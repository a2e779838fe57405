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
	opWait = 0 // FUTEX_WAIT
	opWake = 1 // FUTEX_WAKE

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
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	_, _, errno := syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w.Addr)), opWait,
		uintptr(w.Val), uintptr(unsafe.Pointer(ts)), 0, 0)
	if errno == unix.ETIMEDOUT {
		return TimedOut
	}
	return Woken
}

// A Vector is a reusable list of words for [Vector.Wait]. The zero value is empty.
type Vector struct {
	v [MaxWords]waitv
	n int
}

// Reset empties the vector.
func (v *Vector) Reset() { v.n = 0 }

// Len is the number of words in the vector.
func (v *Vector) Len() int { return v.n }

// Add appends a word. The caller keeps its memory alive until the wait is over.
// It panics when the vector is full.
func (v *Vector) Add(w Word) {
	v.v[v.n] = waitv{val: uint64(w.Val), addr: uint64(uintptr(unsafe.Pointer(w.Addr))), flags: waitvSize32}
	v.n++
}

// Wait sleeps until one of the words no longer has its value, one of them is
// woken, or the time-out passes. It returns the index of the word that was
// woken, or -1 when it does not know.
//
// Preconditions: [HasWaitAny] is true; the vector is not empty.
func (v *Vector) Wait(timeout time.Duration) int {
	var now unix.Timespec
	if err := unix.ClockGettime(clockMonotonic, &now); err != nil {
		return -1
	}
	until := unix.NsecToTimespec(now.Nano() + int64(timeout))
	i, _, errno := syscall.Syscall6(sysFutexWaitv, uintptr(unsafe.Pointer(&v.v[0])), uintptr(v.n), 0,
		uintptr(unsafe.Pointer(&until)), clockMonotonic, 0)
	runtime.KeepAlive(v)
	if errno != 0 {
		return -1
	}
	return int(i)
}

// Wake wakes at most n sleepers of the word and returns how many it woke.
func Wake(addr *uint32, n int) int {
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
	runtime.KeepAlive(word)
	return errno == unix.EAGAIN || errno == unix.ETIMEDOUT || errno == 0
}
