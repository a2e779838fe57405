// Package worker is the worker's side of a pool: it opens resources, runs tasks until there are to
// be no more, obeys the orders of the parent, and closes the resources.
//
// A worker is a process, which the parent has started and which comes here from pool.Main, or a
// goroutine of the parent, see [NewLocal].
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/queue"
)

// A Worker is the worker's side of a pool. Everything but what mu guards is used by its loop only.
type Worker struct {
	*tasktable.Table
	config Config
	record *tasktable.Record
	me     proctab.Owner // what the states of slots call this worker
	local  bool          // the worker is a goroutine of the parent

	base   context.Context // parent of the contexts of tasks; ends when the worker must end soon
	Stop   context.CancelCauseFunc
	taking context.Context // ends when no more tasks are to be taken
	last   context.CancelFunc

	working context.Context // ends when no task runs any more
	rest    context.CancelFunc

	logger *slog.Logger // nil: the pool has no log
	opened *Opened
	job    job
	out    task.Reply
	known  *task.Handler // handler of the last task
	block  uint64        // block of the result that is placed; 0: the result is in the slot
	tasks  int
	// how often a worker has gone to sleep for want of tasks, when this one looked last
	sleeps uint64
	slow   bool      // the last task that was timed has run for long
	sized  time.Time // when memory was last looked at

	mu      sync.Mutex
	reason  tasktable.Stage // why it ends
	current *taskContext
	Slot    uint32 // slot of the task that runs
	serial  uint32 // and of its attempt
	began   time.Time

	goroutine atomic.Uint64 // number of the one that runs tasks

	ended chan struct{} // closed when the loop has ended
	err   error         // why it could not go on
}

// A result that fits into its slot always finds memory.
var _ = [1]struct{}{}[task.InlineResult-tasktable.ResultBytes]

// newWorker is the worker that config describes.
func newWorker(t *tasktable.Table, config Config, me proctab.Owner) *Worker {
	w := &Worker{Table: t, config: config, record: &t.Records[config.Number], me: me, ended: make(chan struct{})}
	w.base, w.Stop = context.WithCancelCause(context.Background())
	// the parent sends messages again when a worker dies that has consumed their wake-up
	w.taking, w.last = context.WithCancel(wait.WithLongSleep(w.base))
	w.working, w.rest = context.WithCancel(w.base)
	w.began = time.Now()
	w.out.To = w
	return w
}

// NewLocal is [newWorker] for a goroutine of the parent.
func NewLocal(t *tasktable.Table, config Config, me proctab.Owner) *Worker {
	w := newWorker(t, config, me)
	w.local = true
	return w
}

// Work opens the resources, runs tasks until there shall be no more, and closes the resources.
//
// What a death leaves behind: a slot that is queued, of which the message is lost; running by the
// dead; or done by the dead, of which the message may be lost. The parent finds each by a walk.
func (w *Worker) Work() error {
	w.record.Since.Store(0)
	w.record.Owner.Store(uint32(w.me))
	w.record.Stage.Store(uint32(tasktable.StageEntered))
	rs, err := w.ResourcesOf(w.config.Resources)
	if err == nil {
		err = w.openLog()
	}
	if err == nil {
		var o *Opened
		if o, err = OpenResources(w.base, rs); o != nil {
			o.logger = w.logger
		}
		w.mu.Lock()
		w.opened = o
		w.mu.Unlock()
	}
	if err != nil {
		w.refuse(err)
		return nil
	}
	w.base = w.opened.Context(w.base)
	w.current = &taskContext{base: w.base}
	w.record.Stage.Store(uint32(tasktable.StageReady))
	// SYNC: ready: with this the parent knows which worker has this owner id.
	defer segment.HoldIdle()()
	w.err = over(w.Done.Put(w.base, tasktable.MessageOf(tasktable.ReadySlot, w.config.Number)))
	if w.err == nil {
		go w.watchOrders()
		go w.loop()
		<-w.ended
	}
	w.last()
	w.rest()
	w.mu.Lock()
	if w.reason != tasktable.StageStarted {
		w.record.Stage.Store(uint32(w.reason))
	}
	w.mu.Unlock()
	w.closeResources()
	return w.err
}

// refuse leaves why the resources did not open to the parent.
func (w *Worker) refuse(err error) {
	f := task.FailureOf(err)
	var panicked *guard.Panic
	if f.Panic = errors.As(err, &panicked); !f.Panic {
		f.Stack = "" // it is where the resource was opened, for each in the same place
	}
	b, err := wire.Encode(f)
	if err == nil && len(b) > tasktable.FailureBytes && w.leaveReport(b) {
		b = nil
	}
	if err != nil || len(b) > tasktable.FailureBytes {
		f.Stack, f.Panic = "", false
		b, _ = wire.Encode(task.Failure{Text: f.Text[:min(len(f.Text), tasktable.FailureBytes-64)]})
	}
	w.record.Length = uint32(copy(w.record.Failure[:], b))
	// SYNC: failure: the reason is visible to the parent that sees this stage.
	w.record.Stage.Store(uint32(tasktable.StageFailed))
}

// loop takes tasks. When a task ends its goroutine, another one goes on.
func (w *Worker) loop() {
	w.goroutine.Store(goroutineID())
	returned := false
	defer func() {
		if !returned {
			go w.loop()
		}
	}()
	w.err = w.take()
	returned = true
	close(w.ended)
}

// take runs tasks until there shall be no more.
func (w *Worker) take() error {
	for {
		if w.job.on { // a task has ended the goroutine in which it ran
			if err := w.resume(); err != nil {
				return over(err)
			}
		}
		if w.full() {
			return nil
		}
		w.leaveSegments()
		message, err := w.Todo.Get(w.taking)
		if err != nil {
			if w.taking.Err() != nil {
				return nil
			}
			return over(err)
		}
		crashpoint.Here("pool.got")
		if err := w.serve(message); err != nil {
			return over(err)
		}
	}
}

// leaveSegments leaves those segments that only handles of tasks have needed, unless there are
// further tasks, which may come with such handles, too.
func (w *Worker) leaveSegments() {
	if segment.HasIdle() && w.Todo.Len() == 0 {
		segment.CloseIdle()
	}
}

// over is no error when the pool has been closed.
func over(err error) error {
	if errors.Is(err, queue.ErrClosed) {
		return nil
	}
	return err
}

// end has the worker take no more tasks, for a reason.
func (w *Worker) end(reason tasktable.Stage) {
	w.mu.Lock()
	if w.reason == tasktable.StageStarted {
		w.reason = reason
	}
	w.mu.Unlock()
	w.last()
}

// full says that the worker has run as many tasks, or got as large, as it may.
func (w *Worker) full() bool {
	switch {
	case w.config.MaxTasks > 0 && w.tasks >= w.config.MaxTasks:
		w.end(tasktable.StageWorn)
	case w.config.RecycleMemory > 0 && w.large():
		w.end(tasktable.StageLarge)
	default:
		return false
	}
	return true
}

// watchOrders follows the orders of the parent: it ends the context of a task that has lost its
// caller, or ends the worker. It also notices when the worker has been idle for long.
func (w *Worker) watchOrders() {
	seen := uint32(0)
	for w.working.Err() == nil && !w.Mem.Closed() {
		order := w.record.Order.Load()
		if order&tasktable.OrderRetire != 0 {
			w.end(tasktable.StageRetired) // the task that runs goes on, and can be interrupted
		}
		limit := wait.MaxSleep // the parent always wakes it: else the worker ends
		if order != seen {
			w.interrupted()
			w.answer()
			seen = order
		}
		if idle := w.config.IdleTimeout; idle > 0 && w.taking.Err() == nil {
			left := idle - w.idleFor()
			if left <= 0 {
				w.end(tasktable.StageIdle)
				continue
			}
			limit = min(limit, left)
		}
		wait.Park(w.working, w.Mem.Party().Closer, limit, w.record.OrderWord(seen))
	}
}

// interrupted ends the context of the task that runs if its caller has gone.
func (w *Worker) interrupted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.serial != 0 && w.Slots[w.Slot].Cancel.Load() == w.serial {
		w.current.end(context.Canceled)
	}
}

// Stack is the stack of the goroutine that runs tasks.
func (w *Worker) Stack() string { return stackOf(w.goroutine.Load()) }

// idleFor is for how long there has been nothing to do.
func (w *Worker) idleFor() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.serial != 0 {
		return 0
	}
	return time.Since(w.began)
}

// closeResources closes the resources, once.
func (w *Worker) closeResources() {
	w.mu.Lock()
	o := w.opened
	w.mu.Unlock()
	if o == nil {
		return
	}
	if err := o.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		for _, stack := range task.PanicStacks(err) {
			fmt.Fprintln(os.Stderr, stack)
		}
	}
}
