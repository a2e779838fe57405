package pool

import (
	"context"
	"time"

	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// A run is one call of Map or IMap: it turns arguments into tasks, a bounded number at a time, and
// hands over the results as they come. Everything happens in the caller's goroutine, but for the
// iterator of IMap: see feeder.
type run[A, R any] struct {
	p        *Pool
	t        *Task[A, R]
	w        *parent.Waiter
	source   source
	window   int        // slots that may be on their way
	unread   func() int // results that wait for their turn; nil: none ever do
	share    int        // bytes of shared memory that arguments and results on their way may have
	lazy     bool       // emit runs code of the user's, and may take long
	admitted bool
	sizing   sizing

	carry    *parent.Carry // what all tasks carry; nil: nothing
	inFlight int           // slots that are
	bytes    int           // bytes of arguments
	held     int           // bytes of results that wait for their turn
	most     int           // bytes of a large result, as seen so far
	size     int           // bytes of the result that is handed over
	index    int           // index of the next argument
	slots    []uint32      // slots that the run has for the next arguments
	full     []uint32      // slots with arguments, to be submitted
	encoded  []byte        // of part
	parts    [][]byte      // or slices, which are put together in shared memory
	part     chunk         // a chunk that is not full
	into     []R           // where results may be copied to at once; nil: emit wants each
	vector   []byte        // results that emit gets one by one
	stalled  chunk         // a chunk for which there was no memory
	dry      bool          // the source has no argument yet
	done     []uint32      // slots with results that were handed over
	failed   error         // the error that ended the arguments
	over     bool          // the source has no more arguments
	again    []chunk       // arguments of chunks that have lost their worker
	refused  []refused     // arguments that cannot travel
	value    R             // of the last result: so that it need not be in the heap for itself
}

// A source is where a run gets its arguments from.
type source interface {
	// next is the next argument, encoded, valid until the next call. There may be none yet: then
	// the run is woken for it if it needs input, and end is not nil if none will ever come.
	next(patience time.Duration, needsInput bool) (b []byte, there bool, end *feedEnd, err error)

	// allow says how many arguments may be read in all.
	allow(limit, step int, needsInput bool)

	// some is the next arguments, at most so many, where they lie: in memory that stays as it is
	// until the run has ended. Slices are appended to parts. Their number is 0 where that cannot be
	// done.
	some(most int, parts [][]byte) (c task.Content, count int)
}

// A refused is an argument that cannot travel.
type refused struct {
	index int
	err   error
}

func newRun[A, R any](p *Pool, t *Task[A, R]) *run[A, R] {
	r := &run[A, R]{p: p, t: t, w: parent.NewWaiter(), share: p.core.MemoryLimit()}
	r.sizing.aim = chunkCosts * p.core.Overhead()
	r.sizing.fixed, r.sizing.workers = chunkOf(p.core.Defaults(t.core.Options)), p.core.Size()
	return r
}

// all runs everything. It calls emit for each result, until that wants no more or returns an error.
//
// Errors: that of emit; that of the arguments, at the end; the cause of the end of ctx; why the
// pool has ended.
func (r *run[A, R]) all(ctx context.Context, emit func(index int, value *R, err error) (more bool, _ error)) error {
	r.carry = r.p.core.Carry(ctx)
	for {
		if err := r.send(ctx); err != nil {
			return err
		}
		for _, f := range r.refused {
			var zero R
			r.size = 0
			if more, err := emit(f.index, &zero, f.err); err != nil || !more {
				return err
			}
		}
		if len(r.refused) > 0 { // the source may have arguments after the refused one
			r.refused = r.refused[:0]
			continue
		}
		if r.inFlight == 0 && r.exhausted() {
			return r.failed
		}
		if err := r.p.core.Await(ctx, r.w); err != nil {
			return err
		}
		if err := r.p.core.Terminated(); err != nil { // what comes now may be a consequence
			return err
		}
		if more, err := r.receive(emit); err != nil || !more {
			return err
		}
	}
}

// exhausted says that there is nothing to send any more.
func (r *run[A, R]) exhausted() bool {
	return r.over && len(r.again) == 0 && r.part.count == 0 && r.stalled.count == 0
}

// close lets go of what is left.
func (r *run[A, R]) close() {
	r.p.core.CancelSlotWait(r.w)
	r.p.core.LeaveRoom(r.w)
	r.p.core.Release(append(r.slots, r.full...)...)
	if r.inFlight > 0 || len(r.done) > 0 {
		r.p.core.Abandon(r.w)
	}
}

// send fills as many slots as there may be, and submits them.
func (r *run[A, R]) send(ctx context.Context) error {
	for r.dry = false; !r.dry && !r.exhausted() && len(r.refused) == 0; {
		room := min(r.windowLeft(), sendMost)
		r.source.allow(r.index+r.windowLeft()*max(r.sizing.fixed, 1)-r.part.count, max(r.window*max(r.sizing.fixed, 1)/4, 1), r.needsInput())
		if room <= 0 {
			break
		}
		if len(r.slots) == 0 {
			r.slots = r.p.core.AcquireSlots(r.w, r.slots, room, r.inFlight == 0)
		}
		if len(r.slots) == 0 {
			break
		}
		for len(r.slots) > 0 && len(r.full) < min(room, r.windowLeft()) && len(r.refused) == 0 {
			if more, err := r.fill(); err != nil {
				return err
			} else if !more {
				break
			}
		}
		if len(r.full) == 0 {
			break
		}
		full := r.full
		r.full = r.full[:0]
		r.inFlight += len(full) // when it fails, some may be on their way
		if err := r.p.core.Submit(ctx, full, r.admitted); err != nil {
			return err
		}
	}
	if r.dry && len(r.slots) > 0 { // others may need them meanwhile
		r.p.core.Release(r.slots...)
		r.slots = r.slots[:0]
	}
	return nil
}

// needsInput says that there are workers for another argument.
func (r *run[A, R]) needsInput() bool { return r.inFlight+len(r.full) < r.sizing.workers }

// windowLeft is how many more slots may be on their way now.
func (r *run[A, R]) windowLeft() int {
	n := r.room() - r.inFlight
	if r.unread != nil && len(r.again) == 0 { // what is to go again may be what they wait for
		n = min(n, unreadMost*r.window-r.inFlight-r.unread()/max(r.sizing.fixed, 1))
	}
	return n
}

// room is the number of slots that may be under way: few as long as the time of a task is not
// known, and when arguments or results are so large that more of them would only fill memory and
// caches.
func (r *run[A, R]) room() int {
	n := r.window
	switch {
	case r.bytes > inFlightBytes:
		n = min(n, 2*r.sizing.workers)
	case r.sizing.unknown():
		n = min(n, 4*r.sizing.workers)
	}
	if r.most > 0 {
		each := r.most
		if r.inFlight > 0 {
			each += r.bytes / r.inFlight
		}
		n = min(n, max(r.share/each, 2*r.sizing.workers))
	}
	if r.held > heldMost*r.p.core.MemoryLimit() {
		n = min(n, 1) // the one that the others wait for is on its way
	}
	return n
}

// saw notes how large the result of a slot was.
func (r *run[A, R]) saw(size int) {
	if size > tasktable.ResultBytes || r.most > 0 {
		r.most = max(size, r.most-r.most/8)
	}
}

const inFlightBytes = 1 << 20

// heldMost is how many times Options.Memory the results may have that wait for their turn, in
// memory of the caller.
const heldMost = 4

// behindMost is how many times as many slots as may be on their way may be there in all, on their
// way or waiting for their turn.
const unreadMost = 4

// sendMost is how many slots are filled before they are submitted: so that workers do not wait for
// the last of many.
const sendMost = 16
