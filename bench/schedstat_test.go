//go:build linux

package bench

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// schedstat is the kernel's account of one thread: "ran delayed slices", the first two in
// nanoseconds.
type schedstat struct {
	fd   int // -1 where the kernel keeps none
	text [96]byte
}

// openSchedstat opens the account of the calling thread, to which the goroutine must be locked.
// With anyCPU the goroutine is not locked, and there is no account.
func openSchedstat(cpu int) *schedstat {
	if cpu == anyCPU {
		return &schedstat{fd: -1}
	}
	fd, err := unix.Open("/proc/thread-self/schedstat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	return &schedstat{fd: fd}
}

func (s *schedstat) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
	}
}

// delayed returns for how many nanoseconds of its life the thread has waited for a CPU that
// another process had, 0 where the kernel does not count. It does not allocate, for it runs where
// allocations are counted.
func (s *schedstat) delayed() int64 {
	if s.fd < 0 {
		return 0
	}
	n, err := unix.Pread(s.fd, s.text[:], 0)
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(s.text[:n], []byte(" "))
	return leadingInt(rest)
}

// leadingInt returns the number that text begins with, 0 when it begins with something else.
func leadingInt(text []byte) (v int64) {
	for _, c := range text {
		if c < '0' || c > '9' {
			break
		}
		v = v*10 + int64(c-'0')
	}
	return v
}
