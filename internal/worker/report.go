package worker

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A report is what a worker leaves to its parent beside results, in a block of shared memory: the
// stack of a task that the parent has asked for, or why a resource did not open.

// MaxReport bounds a report, in bytes.
const MaxReport = 64 << 10

// maxStacks bounds the stacks of all goroutines among which that of a task is looked for, in bytes.
const maxStacks = 16 << 20

// leaveReport leaves b to the parent, unless an earlier report is still there. What there is no
// room for is not reported.
//
// What a death leaves behind: a block of the dead worker, which the parent reclaims, or a block of
// the parent, which the record names: the parent takes that one before another worker has the
// record.
func (w *Worker) leaveReport(b []byte) bool {
	if w.record.Report.Load() != 0 {
		return false
	}
	off, mem, err := w.Mem.AllocDirty(len(b))
	if err != nil {
		return false
	}
	copy(mem, b)
	w.record.ReportLen.Store(uint32(len(b)))
	// SYNC: report: its length and its bytes are visible to the parent that sees the block.
	w.record.Report.Store(off)
	crashpoint.Here("pool.reported")
	return w.local || w.Mem.Give(off, proctab.Owner(w.config.Parent), w.ReportMark(w.config.Number)) == nil
}

// answer tells the stack of the task that runs, if the parent has asked for it.
func (w *Worker) answer() {
	serial := w.record.Asked.Load()
	if serial == w.record.Answered.Load() {
		return
	}
	w.mu.Lock()
	runs := w.serial == serial
	w.mu.Unlock()
	if runs {
		w.leaveReport([]byte(stackOf(w.goroutine.Load())))
		crashpoint.Here("pool.answering")
	}
	// SYNC: answer: the report, if there is one, is visible to the parent that sees this.
	w.record.Answered.Store(serial)
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

// stackOf is the stack of the goroutine of that number, at most guard.MaxStack bytes of it, or
// empty when it is not found.
func stackOf(id uint64) string {
	head := fmt.Appendf(nil, "goroutine %d ", id)
	for size := 64 << 10; size <= maxStacks; size *= 4 {
		all := make([]byte, size)
		n := runtime.Stack(all, true)
		for stack := range bytes.SplitSeq(all[:n], []byte("\n\n")) {
			if bytes.HasPrefix(stack, head) && (n < size || len(stack) >= guard.MaxStack) {
				return string(stack[:min(len(stack), guard.MaxStack)])
			}
		}
		if n < size {
			break
		}
	}
	return ""
}
