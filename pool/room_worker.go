package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/wait"
)

// What a worker does that has no room for a result: see room.go.

var errUnwanted = errors.New("its caller has gone")

// place puts b, a result, where its slot can name it: into the slot when it fits, else into a block of this process. It waits
// until there is room.
func (w *worker) place(b []byte) (block uint64, err error) {
	if inline := w.Slots[w.turn.slot].Results[:]; len(b) <= len(inline) {
		copy(inline, b)
		return 0, nil
	}
	if !fits(len(b), w.config.Memory) {
		return 0, fmt.Errorf("the result: %w", tooLarge(len(b), w.config.Memory))
	}
	var mem []byte
	if w.Scarce.Load() == 0 {
		if block, mem, err = w.Mem.AllocDirty(len(b)); err != nil && !mustWait(err) {
			return 0, err
		}
	}
	if mem == nil {
		if overlap(b, w.turn.arg) {
			b = slices.Clone(b) // the argument may go while the worker waits
		}
		if block, err = w.awaitRoom(len(b)); err != nil {
			return 0, fmt.Errorf("the result: %w", err)
		}
		if mem, err = w.Mem.Bytes(block, len(b)); err != nil {
			return 0, err
		}
	}
	copy(mem, b)
	return block, nil
}

// awaitRoom asks the parent for a block of n bytes, and waits for it.
//
// What a death leaves behind: the parent takes the worker off its line, and frees the block, which is the worker's.
func (w *worker) awaitRoom(n int) (block uint64, err error) {
	word := &w.record.Room
	word.Store(uint64(n)<<1 | tasktable.RoomAsks)
	crashpoint.Here("pool.asked")
	if err := w.Done.Put(w.base, tasktable.MessageOf(tasktable.RoomSlot, w.config.Number)); err != nil {
		word.Store(tasktable.RoomNone)
		return 0, err
	}
	for {
		order := w.record.Order.Load()
		switch v := word.Load(); {
		case v == tasktable.RoomRefused:
			word.Store(tasktable.RoomNone)
			return 0, errors.New("there is no room for it: the system has no memory left")
		case v&tasktable.RoomAsks == 0 && v != tasktable.RoomGiving:
			word.Store(tasktable.RoomNone)
			crashpoint.Here("pool.granted")
			return v, nil
		case v&tasktable.RoomAsks != 0 && w.unwanted() != nil:
			if word.CompareAndSwap(v, tasktable.RoomNone) {
				return 0, w.unwanted()
			}
			continue
		}
		wait.Park(w.base, w.Mem.Party().Closer, time.Second, w.record.OrderWord(order))
		if w.record.Order.Load() == order { // for a second: perhaps the message was lost
			w.Done.TryPut(tasktable.MessageOf(tasktable.RoomSlot, w.config.Number))
		}
	}
}

// unwanted is why the result that waits for room is not wanted any more, or nil.
func (w *worker) unwanted() error {
	switch {
	case w.base.Err() != nil:
		return context.Cause(w.base)
	case w.Mem.Closed():
		return ErrClosed
	case w.Slots[w.turn.slot].Cancel.Load() == w.turn.serial:
		return errUnwanted
	}
	return nil
}
