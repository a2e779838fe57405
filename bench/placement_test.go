//go:build linux

package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// maxCPUs is how many CPUs a unix.CPUSet can name.
const maxCPUs = 1024

// cores returns one CPU of each of n different cores that this process may use. It skips the test
// where there are fewer.
func cores(tb testing.TB, n int) []int {
	tb.Helper()
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &allowed); err != nil {
		tb.Fatalf("read the CPUs of this process: %v", err)
	}
	var cpus []int
	seen := map[string]bool{}
	for cpu := 0; len(cpus) < n && cpu < maxCPUs; cpu++ {
		if !allowed.IsSet(cpu) || seen[core(cpu)] {
			continue
		}
		seen[core(cpu)] = true
		cpus = append(cpus, cpu)
	}
	if len(cpus) < n {
		missing(tb, "%d cores, this process may use %d", n, len(cpus))
	}
	return cpus
}

// core names the core that cpu belongs to: CPUs that are hardware threads of one core get the same
// name.
func core(cpu int) string {
	b, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu))
	if err != nil {
		return fmt.Sprint(cpu) // unknown: take every CPU for a core
	}
	return strings.TrimSpace(string(b))
}

// anyCPU stands for the CPU of a process that goes wherever the kernel puts it.
const anyCPU = -1

// pin locks the calling goroutine to its OS thread and the thread to cpu. Only the thread: the Go
// runtime keeps the other CPUs for its own threads, as in a program at work. unpin undoes both.
// With anyCPU neither is done.
func pin(cpu int) (unpin func(), err error) {
	if cpu == anyCPU {
		return func() {}, nil
	}
	runtime.LockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("read affinity: %w", err)
	}
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("pin to CPU %d: %w", cpu, err)
	}
	return func() {
		if unix.SchedSetaffinity(0, &before) == nil {
			runtime.UnlockOSThread()
		}
		// Otherwise the goroutine keeps the thread, and the thread ends with it.
	}, nil
}
