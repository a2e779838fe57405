package child

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// tick is the unit in which /proc tells of time on a processor.
const tick = 10 * time.Millisecond

// UsageOf says what the process of that id uses now, and the programs that it has started: the time
// of those that it has waited for, and time and memory of those that run.
//
// Errors: there is no such process, or /proc does not show it.
func UsageOf(pid int) (Usage, error) {
	u, err := usageOfOne(pid)
	if err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	addChildren(&u, pid, descendantsMost)
	return u, nil
}

// OwnUsage says what this process uses now, other than the programs that it has started and that
// run.
//
// Errors: /proc does not show it.
func OwnUsage() (Usage, error) { return usageOfOne(os.Getpid()) }

// descendantsMost bounds how many processes are looked at: they come and go meanwhile.
const descendantsMost = 1024

// usageOfOne is the usage of a process and of the children that it has waited for.
func usageOfOne(pid int) (Usage, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return Usage{}, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return Usage{}, err
	}
	return Usage{
		User:     (time.Duration(stat.UTime) + time.Duration(stat.CUTime)) * tick,
		System:   (time.Duration(stat.STime) + time.Duration(stat.CSTime)) * tick,
		Resident: int64(stat.ResidentMemory()),
	}, nil
}

// addChildren adds the usage of all descendants of a process that run, most of them at most. Where
// the kernel does not list children, it adds nothing.
func addChildren(u *Usage, pid, most int) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists { // each thread has its own
		b, _ := os.ReadFile(list) // it may have ended
		for _, child := range strings.Fields(string(b)) {
			id, err := strconv.Atoi(child)
			if err != nil || most == 0 {
				return most
			}
			most--
			if more, err := usageOfOne(id); err == nil {
				u.User, u.System, u.Resident = u.User+more.User, u.System+more.System, u.Resident+more.Resident
				most = addChildren(u, id, most)
			}
		}
	}
	return most
}

// Usage says what the process uses now, or the time that it has used when it has ended.
func (p *Process) Usage() (Usage, error) {
	p.mu.Lock()
	if !p.reaped && !p.taken() {
		defer p.mu.Unlock()
		return UsageOf(p.PID()) // not reaped, so that the id is its own
	}
	p.mu.Unlock()
	<-p.done
	return p.usage, nil
}

// usageOf is the usage of a process that has ended.
func usageOf(state *os.ProcessState) Usage {
	if state == nil {
		return Usage{}
	}
	return Usage{User: state.UserTime(), System: state.SystemTime()}
}

// PrivateMemory is how many bytes of memory this process has for itself at this moment: without
// files and shared memory.
func PrivateMemory() (int64, error) {
	p, err := procfs.NewProc(os.Getpid())
	if err != nil {
		return 0, err
	}
	status, err := p.NewStatus()
	return int64(status.RssAnon), err
}
