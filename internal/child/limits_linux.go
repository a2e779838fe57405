package child

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// eachThread calls f for every thread of this process, until there is none that it was not called
// for: threads that come meanwhile may be children of such as had not been seen to.
func eachThread(f func(tid int) error) error {
	seen := map[string]bool{}
	for fresh := true; fresh; {
		fresh = false
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, task := range tasks {
			if seen[task.Name()] {
				continue
			}
			seen[task.Name()], fresh = true, true
			tid, err := strconv.Atoi(task.Name())
			if err != nil {
				return err
			}
			if err := f(tid); err != nil && err != unix.ESRCH { // it has ended
				return err
			}
		}
	}
	return nil
}

// SetNice sets the niceness of this process, from -20, the most favourable, to 19. Linux keeps it
// per thread, and so all threads are set; those to come inherit it.
func SetNice(nice int) error {
	if nice < -20 || nice > 19 {
		return fmt.Errorf("niceness %d: must be from -20 to 19", nice)
	}
	err := eachThread(func(tid int) error { return unix.Setpriority(unix.PRIO_PROCESS, tid, nice) })
	if err != nil {
		return fmt.Errorf("set niceness %d: %w", nice, err)
	}
	return nil
}

// maxCPUs is how many processors an [unix.CPUSet] can tell apart.
const maxCPUs = 1024

// SetAffinity confines this process to some processors. It lowers GOMAXPROCS accordingly unless the
// environment sets that.
func SetAffinity(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		if cpu < 0 || cpu >= maxCPUs {
			return fmt.Errorf("processor %d: must be from 0 to %d", cpu, maxCPUs-1)
		}
		set.Set(cpu)
	}
	err := eachThread(func(tid int) error { return unix.SchedSetaffinity(tid, &set) })
	if err != nil {
		return fmt.Errorf("confine to processors %v: %w", cpus, err)
	}
	// the kernel leaves out those that it does not have, unless that is all of them
	var got unix.CPUSet
	if err := unix.SchedGetaffinity(0, &got); err != nil || got != set {
		return fmt.Errorf("confine to processors %v: not all of them are there for this process", cpus)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.SetDefaultGOMAXPROCS()
	}
	return nil
}

// LimitMemory bounds the private memory of this process in bytes: what Go has taken from the
// system, with about 40 MiB for its own tables, and what other code has. When there is no more, the
// Go runtime ends the process with exit code 2. The garbage collector is told to stay below, unless
// GOMEMLIMIT tells it something else. A lower hard limit of the system stays. The limit is
// RLIMIT_DATA, which counts private memory that can be written. RLIMIT_AS would count address
// space, of which Go reserves far more than it uses, and also mapped segments of shared memory,
// which belong to no single process. In a program with cgo each thread counts with its whole stack,
// usually 8 MiB.
func LimitMemory(bytes int64) error {
	proc, err := procfs.Self()
	if err != nil {
		return err
	}
	status, err := proc.NewStatus()
	if err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("limit memory to %d bytes: %w", bytes, err)
	}
	if limit.Max < uint64(bytes) { // the system has set a lower one, which holds
		bytes = int64(limit.Max)
	}
	room := bytes - int64(status.VmData)
	if room <= 0 {
		return fmt.Errorf("limit memory to %d bytes: this process has %d already", bytes, status.VmData)
	}
	limit = unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("limit memory to %d bytes: %w", bytes, err)
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		// it does not count everything
		debug.SetMemoryLimit(room - max(room/8, min(stackRoom, room/2)))
	}
	return nil
}
