package parent

import (
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// stackGrace is how long a worker may take to tell the stack of a task before it is killed.
const stackGrace = time.Second

// takeReport returns a copy of what worker number n has left, at most so many bytes, or nil. A
// report that a living worker is about to give stays for the next call; ended says that the worker
// has ended.
func (p *Pool) takeReport(n int, most int, ended bool) []byte {
	r := &p.table.Records[n]
	off := r.Report.Load()
	if off == 0 {
		return nil
	}
	var report []byte
	if length := int(r.ReportLen.Load()); length <= most {
		if b, err := p.table.Mem.Bytes(off, length); err == nil {
			report = slices.Clone(b)
		}
	}
	mark := uint32(0)
	if !p.local {
		mark = p.table.ReportMark(uint32(n))
	}
	if p.table.Mem.FreeGiven(off, mark) == nil || ended {
		r.Report.Store(0)
	}
	return report
}

// askStack is the stack of a task that runs, or empty when its worker does not tell, or the task
// has ended. It waits for the answer for a while: one that nothing takes would stay until the pool
// ends.
func (p *Pool) askStack(task lateTask) string {
	c, serial, owner := task.child, tasktable.SerialOf(task.state), task.child.owner()
	// The report may be left from an earlier worker, which wrote it too late to be read.
	p.takeReport(c.number, 0, false)
	c.record.Asked.Store(serial)
	c.ring()
	pause := 100 * time.Microsecond
	for end := time.Now().Add(stackGrace); c.record.Answered.Load() != serial && time.Now().Before(end); pause = min(2*pause, 5*time.Millisecond) {
		if c.owner() != owner {
			return "" // the worker has ended; what it has left is taken before the next one comes
		}
		select {
		case <-time.After(pause):
		case <-p.alive.Done():
			return ""
		}
	}
	stack := p.takeReport(c.number, guard.MaxStack, false)
	if p.table.Slots[task.slot].State.Load() != task.state {
		return ""
	}
	return string(stack)
}
