package process

import (
	"fmt"
	"os"
	"time"

	"github.com/prometheus/procfs"
)

// tick is the unit in which /proc tells of time on a processor.
const tick = 10 * time.Millisecond

// UsageOf says what the process of that id uses now.
//
// Errors: there is no such process, or /proc does not show it.
func UsageOf(pid int) (Usage, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	stat, err := proc.Stat()
	if err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	return Usage{
		User:     time.Duration(stat.UTime) * tick,
		System:   time.Duration(stat.STime) * tick,
		Resident: int64(stat.ResidentMemory()),
	}, nil
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

// PrivateMemory is how many bytes of memory this process has for itself at this moment: without files and shared memory.
func PrivateMemory() (int64, error) {
	p, err := procfs.NewProc(os.Getpid())
	if err != nil {
		return 0, err
	}
	status, err := p.NewStatus()
	return int64(status.RssAnon), err
}
