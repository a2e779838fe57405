package ring

import (
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// Tasks are the messages of a joinable queue that were taken and are not done. Each process counts
// its own, in a word that belongs to its slot of the process table:
//
//	bits 32..62  owner id of the process that counts here; another one's is left from a dead process
//	bits  0..31  how many messages it has taken and not done
//
// A message is counted before it is claimed. So each one that is not done is in the queue, or in a
// count, or in both. The counts of dead processes do not matter.
type Tasks struct {
	counts  []taskCount
	me      proctab.Owner
	table   *proctab.Table
	closer  *wait.Closer
	joiners *lock.EventCount
}

// newTasks views the counts in mem, of which there is one for each slot of the process table.
func newTasks(o *segment.Object, joiners, mem []byte) *Tasks {
	k := &Tasks{
		counts: countsIn(mem), me: o.Seg.Me(), table: o.Seg.Table(), closer: o.Party().Closer,
		joiners: lock.NewEventCount(o.Party(), joiners),
	}
	k.joiners.Target = o.Target(lock.RoleJoin)
	return k
}

// tasksAt is where counts begin that follow end bytes.
func tasksAt(end int) int { return (end + taskBytes - 1) / taskBytes * taskBytes }

const taskShift = 32

func taskOwner(w uint64) proctab.Owner { return proctab.Owner(w >> taskShift & proctab.OwnerMask) }

func (k *Tasks) mine() *atomic.Uint64 { return &k.counts[k.me.Slot()].word }

// Add counts a message that this process is going to take.
func (k *Tasks) Add() {
	count := k.mine()
	for {
		w := count.Load()
		next := w + 1
		if taskOwner(w) != k.me {
			next = uint64(k.me)<<taskShift + 1
		}
		// SYNC: task: a process that sees the message gone from the queue sees it here.
		if count.CompareAndSwap(w, next) {
			return
		}
	}
}

// Drop takes a message off the count, and wakes the joiners when it was the last. It reports false
// when none is counted.
func (k *Tasks) Drop() bool {
	count := k.mine()
	for {
		w := count.Load()
		if taskOwner(w) != k.me || uint32(w) == 0 {
			return false
		}
		if count.CompareAndSwap(w, w-1) {
			crashpoint.Here("queue.task.done")
			if uint32(w) == 1 {
				k.Notify()
			}
			return true
		}
	}
}

// Notify wakes the joiners: a message has left the queue without being taken. It does nothing when
// k is nil.
func (k *Tasks) Notify() {
	if k != nil {
		k.joiners.NotifyAll()
	}
}

// Unfinished calls yield with each living process that has tasks.
func (k *Tasks) Unfinished(yield func(proctab.Owner) bool) {
	for i := range k.counts {
		w := k.counts[i].word.Load()
		if o := taskOwner(w); uint32(w) != 0 && !k.table.Dead(o) && !yield(o) {
			return
		}
	}
}

var (
	errNoTask      = fmt.Errorf("%w: TaskDone: this process has no message that is not done", ErrNotHeld)
	errNotJoinable = fmt.Errorf("queue: the queue is not joinable: make it with Options.Joinable: %w", fs.ErrInvalid)
)

// Done is TaskDone of a queue, which is joinable unless k is nil.
func (k *Tasks) Done() error {
	switch {
	case k == nil:
		return errNotJoinable
	case k.closer.Closed():
		return k.closer.Err()
	case !k.Drop():
		if k.closer.Closed() { // it has found memory of this process alone
			return k.closer.Err()
		}
		return errNoTask
	}
	return nil
}

// Join is Join of a queue, which is joinable unless k is nil. Joined reports whether the wait is
// over, and which process is writing the oldest message.
func (k *Tasks) Join(ctx context.Context, joined func() (over bool, held proctab.Owner, err error)) error {
	if k == nil {
		return errNotJoinable
	}
	var err error
	var held proctab.Owner
	ready := func() (over bool) {
		over, held, err = joined()
		return over
	}
	watch := func(w *lock.Watch) {
		w.Process(held)
		for o := range k.Unfinished {
			w.Process(o)
		}
	}
	began := wait.Start(ctx)
	if e := k.joiners.Await(ctx, wait.Parking, ready, watch); e != nil {
		err = wait.Late(ctx, e, began)
	}
	return err
}
