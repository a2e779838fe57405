package futex

import (
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// FallbackEnv names the environment variable which switches kernel facilities
// off, for tests and for sandboxes that misreport them: a comma-separated list of
// "waitv", "membarrier" and "robust" (see the package proctab).
const FallbackEnv = "SHMKIT_FALLBACK"

// Disabled reports whether the facility is switched off by [FallbackEnv].
func Disabled(facility string) bool {
	for f := range strings.SplitSeq(os.Getenv(FallbackEnv), ",") {
		if strings.TrimSpace(f) == facility {
			return true
		}
	}
	return false
}

// HasWaitAny reports whether the kernel can wait for several words at once
// (futex_waitv, Linux 5.16).
var HasWaitAny = sync.OnceValue(func() bool {
	return !Disabled("waitv") && probeWaitAny()
})

const (
	membarrierGlobalExpedited         = 1 << 1
	membarrierRegisterGlobalExpedited = 1 << 2
)

// HasMembarrier registers this process for [Membarrier] and reports whether
// the kernel offers it. A process must call it before it relies on the barriers of others.
var HasMembarrier = sync.OnceValue(func() bool {
	if Disabled("membarrier") {
		return false
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_MEMBARRIER, membarrierRegisterGlobalExpedited, 0, 0)
	return errno == 0
})

// Membarrier makes every running thread of every registered process pass a full
// memory barrier before it returns. It also sends each of them through the
// kernel, where a thread with a fatal signal pending ends.
//
// It reports false where the kernel refuses; nothing is ordered then.
func Membarrier() bool {
	if !HasMembarrier() {
		return false
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_MEMBARRIER, membarrierGlobalExpedited, 0, 0)
	return errno == 0
}
