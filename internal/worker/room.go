package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/internal/yields"
)

// What a worker does that has no room for a result: see room.go of internal/parent.

var errUnwanted = errors.New("its caller has gone")

// Memory returns n bytes for the result: in the slot when they fit, else in a block of this
// process. It returns nil when the worker has to wait for them.
func (w *Worker) Memory(n int) (mem []byte, err error) {
	w.block = 0
	if inline := w.Slots[w.job.slot].Results[:]; n <= len(inline) {
		return inline[:n], nil
	}
	if !tasktable.Fits(n, w.config.Memory) {
		return nil, fmt.Errorf("the result: %w", tasktable.TooLarge(n, w.config.Memory))
	}
	if w.Scarce.Load() == 0 {
		if w.block, mem, err = w.Mem.AllocDirty(n); err != nil && !tasktable.MustWait(err) {
			return nil, err
		}
	}
	return mem, nil
}

// AwaitMemory waits for a block of n bytes.
func (w *Worker) AwaitMemory(n int) (mem []byte, err error) {
	if w.block, err = AwaitRoom(w.base, w.Table, w.config.Number, n, w.unwanted); err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	return w.Mem.Bytes(w.block, n)
}

// Commit makes the first n bytes of the memory the result. A block goes to the parent before the
// slot is done, so that it is not freed with a worker that dies after that.
func (w *Worker) Commit(kind uint32, n int) error {
	sl := &w.Slots[w.job.slot]
	sl.Kind, sl.Result, sl.ResultLen = kind, w.block, uint32(n)
	crashpoint.Here("pool.held")
	if w.block != 0 && !w.local {
		return w.Mem.Give(w.block, proctab.Owner(w.config.Parent), w.job.slot+1)
	}
	return nil
}

// Yields opens the ring for the values of a task that yields.
func (w *Worker) Yields(in []byte) (*yields.Writer, []byte, error) {
	return yields.Open(w.Object, in, w.config.Memory)
}

// AwaitRoom asks the parent for a block of n bytes for the worker of that number, and waits for it,
// until ctx ends or the result is unwanted for some reason.
//
// What a death leaves behind: the parent takes the worker off its line, and frees the block, which
// is the worker's.
func AwaitRoom(ctx context.Context, t *tasktable.Table, number uint32, n int, unwanted func() error) (block uint64, err error) {
	record := &t.Records[number]
	word := &record.Room
	word.Store(uint64(n)<<1 | tasktable.RoomAsks)
	crashpoint.Here("pool.asked")
	if err := t.Done.Put(ctx, tasktable.MessageOf(tasktable.RoomSlot, number)); err != nil {
		word.Store(tasktable.RoomNone)
		return 0, err
	}
	for {
		order := record.Order.Load()
		switch v := word.Load(); {
		case v == tasktable.RoomRefused:
			word.Store(tasktable.RoomNone)
			return 0, errors.New("there is no room for it: the system has no memory left")
		case v&tasktable.RoomAsks == 0 && v != tasktable.RoomGiving:
			word.Store(tasktable.RoomNone)
			crashpoint.Here("pool.granted")
			return v, nil
		case v&tasktable.RoomAsks != 0 && unwanted() != nil:
			if word.CompareAndSwap(v, tasktable.RoomNone) {
				return 0, unwanted()
			}
			continue
		}
		wait.Park(ctx, t.Mem.Party().Closer, time.Second, record.OrderWord(order))
		// the order stood for a second: perhaps the message was lost
		if record.Order.Load() == order {
			t.Done.TryPut(tasktable.MessageOf(tasktable.RoomSlot, number))
		}
	}
}

// unwanted is why the result that waits for room is not wanted any more, or nil.
func (w *Worker) unwanted() error {
	switch {
	case w.base.Err() != nil:
		return context.Cause(w.base)
	case w.Mem.Closed():
		return task.ErrClosed
	case w.Slots[w.job.slot].Cancel.Load() == w.job.serial:
		return errUnwanted
	}
	return nil
}
