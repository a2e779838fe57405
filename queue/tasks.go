package queue

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
	"github.com/shmkit/shmkit/shm"
)

// The tasks of a joinable queue are the messages that were taken and are not done. Each process counts its own, in
// a seat that belongs to its slot of the process table:
//
//	bits 32..62  owner id of the process that counts here; another one's is left from a dead process
//	bits  0..31  how many messages it has taken and not done
//
// A message is counted before it is claimed. So each one that is not done is in the queue, or in a seat, or in both; unless
// its process is dead, whose seat nobody looks at.
type tasks struct {
	seats   []seat
	me      proctab.Owner
	table   *proctab.Table
	joiners *lock.EventCount
}

// newTasks views the seats in what follows end bytes of mem.
func newTasks(o *segment.Object, joiners, mem []byte, end int) *tasks {
	k := &tasks{
		seats: seatsIn(mem[seatsAt(end):]), me: o.Seg.Me(), table: o.Seg.Table(),
		joiners: lock.NewEventCount(o.Party(), joiners),
	}
	k.joiners.Target = o.Target(lock.RoleJoin)
	return k
}

// seatsAt is where seats begin that follow end bytes.
func seatsAt(end int) int { return (end + seatBytes - 1) / seatBytes * seatBytes }

const taskShift = 32

func seatOwner(w uint64) proctab.Owner { return proctab.Owner(w >> taskShift & proctab.OwnerMask) }

func (k *tasks) mine() *atomic.Uint64 { return &k.seats[k.me.Slot()].word }

// add counts a message that this process is going to take.
func (k *tasks) add() {
	seat := k.mine()
	for {
		w := seat.Load()
		next := w + 1
		if seatOwner(w) != k.me {
			next = uint64(k.me)<<taskShift + 1
		}
		// SYNC: task: who sees the message gone from the queue sees it here.
		if seat.CompareAndSwap(w, next) {
			return
		}
	}
}

// done takes a message off the count, and wakes who waits for the last one. It reports false when none is counted.
func (k *tasks) done() bool {
	seat := k.mine()
	for {
		w := seat.Load()
		if seatOwner(w) != k.me || uint32(w) == 0 {
			return false
		}
		if seat.CompareAndSwap(w, w-1) {
			crashpoint.Here("queue.task.done")
			if uint32(w) == 1 {
				k.joiners.NotifyAll()
			}
			return true
		}
	}
}

// unfinished calls yield with each living process that has tasks.
func (k *tasks) unfinished(yield func(proctab.Owner) bool) {
	for i := range k.seats {
		w := k.seats[i].word.Load()
		if o := seatOwner(w); uint32(w) != 0 && !k.table.Dead(o) && !yield(o) {
			return
		}
	}
}

var (
	errNoTask      = fmt.Errorf("%w: TaskDone: this process has no message that is not done", ErrNotHeld)
	errNotJoinable = fmt.Errorf("queue: the queue is not joinable: make it with Options.Joinable: %w", fs.ErrInvalid)
)

// report is TaskDone, of a queue that is joinable unless k is nil.
func (k *tasks) report(closer *wait.Closer) error {
	switch {
	case k == nil:
		return errNotJoinable
	case closer.Closed():
		return shm.ErrClosed
	case !k.done():
		return errNoTask
	}
	return nil
}

// await is Join, of a queue that is joinable unless k is nil. Joined reports whether it is over, and who is writing the oldest message.
func (k *tasks) await(ctx context.Context, joined func() (over bool, held proctab.Owner, err error)) error {
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
		for o := range k.unfinished {
			w.Process(o)
		}
	}
	if e := k.joiners.Await(ctx, wait.Parking, ready, watch); e != nil {
		err = e
	}
	return err
}
