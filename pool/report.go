package pool

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// A report is what a worker leaves to its parent beside results, in a block of shared memory: the
// stack of a task that the parent has asked for, or why a resource did not open.

// stackGrace is how long a worker may take to tell the stack of a task before it is killed.
const stackGrace = time.Second

// maxReport bounds a report, in bytes.
const maxReport = 64 << 10

// maxStacks bounds the stacks of all goroutines among which that of a task is looked for, in bytes.
const maxStacks = 16 << 20

// leaveReport leaves b to the parent. What there is no room for is not reported.
//
// What a death leaves behind: a block of the dead, or of the parent, which [Pool.takeReport] finds
// before another worker has the record, unless the death was between the two steps: then it stays
// until the pool ends.
func (w *worker) leaveReport(b []byte) bool {
	off, mem, err := w.Mem.AllocDirty(len(b))
	if err != nil {
		return false
	}
	copy(mem, b)
	if !w.local {
		if err := w.Mem.Give(off, proctab.Owner(w.config.Parent), w.ReportMark(w.config.Number)); err != nil {
			return false
		}
	}
	w.record.ReportLen.Store(uint32(len(b)))
	// SYNC: report: its length and its bytes are visible to the parent that sees the block.
	w.record.Report.Store(off)
	return true
}

// takeReport is a copy of what worker number n has left, at most so many bytes, or nil. It is the
// parent's.
func (p *Pool) takeReport(n int, most int) []byte {
	r := &p.table.Records[n]
	off := r.Report.Swap(0)
	if off == 0 {
		return nil
	}
	var report []byte
	if length := int(r.ReportLen.Load()); length <= most {
		if b, err := p.table.Mem.Bytes(off, length); err == nil {
			report = slices.Clone(b)
		}
	}
	if p.local {
		p.table.Mem.Free(off)
	} else {
		p.table.Mem.FreeGiven(off, p.table.ReportMark(uint32(n)))
	}
	return report
}

// answer tells the stack of the task that runs, if the parent has asked for it.
func (w *worker) answer() {
	serial := w.record.Asked.Load()
	if serial == w.record.Answered.Load() {
		return
	}
	w.mu.Lock()
	runs := w.serial == serial
	w.mu.Unlock()
	if runs {
		w.leaveReport([]byte(stackOf(w.goroutine.Load())))
	}
	// SYNC: answer: the report, if there is one, is visible to the parent that sees this.
	w.record.Answered.Store(serial)
}

// askStack is the stack of a task that runs, or empty when its worker does not tell, or the task has
// ended. It waits for the answer for a while: one that nothing takes would stay until the pool ends.
func (p *Pool) askStack(task lateTask) string {
	c, serial, owner := task.child, tasktable.SerialOf(task.state), task.child.owner()
	p.takeReport(c.number, 0) // of an earlier one that was too late
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
	stack := p.takeReport(c.number, maxStack)
	if p.table.Slots[task.slot].State.Load() != task.state {
		return ""
	}
	return string(stack)
}

// goroutineID is the number of the calling goroutine.
func goroutineID() uint64 {
	b := make([]byte, 64)
	b = b[:runtime.Stack(b, false)]
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0
	}
	id, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return id
}

// stackOf is the stack of the goroutine of that number, at most maxStack bytes of it, or empty when
// it is not found.
func stackOf(id uint64) string {
	head := fmt.Appendf(nil, "goroutine %d ", id)
	for size := 64 << 10; size <= maxStacks; size *= 4 {
		all := make([]byte, size)
		n := runtime.Stack(all, true)
		for stack := range bytes.SplitSeq(all[:n], []byte("\n\n")) {
			if bytes.HasPrefix(stack, head) && (n < size || len(stack) >= maxStack) {
				return string(stack[:min(len(stack), maxStack)])
			}
		}
		if n < size {
			break
		}
	}
	return ""
}
