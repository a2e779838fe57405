package parent

import (
	"context"
	"time"

	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// A Call is what the parent knows of the task in a slot. Guarded by Pool.mu while it is live, its
// waiter's otherwise; live and out are guarded by Pool.mu at all times.
type Call struct {
	out     bool    // submitted, and not released
	waiter  *Waiter // nil: the caller has gone
	Index   int     // index of the first argument
	Count   int     // arguments in it, from 1
	Arg     Block   // block of the arguments
	moved   []byte  // the arguments, when they had to make room: see room.go
	Got     Outcome // what the worker has left
	task    string
	Options TaskOptions // the options of the task, with the defaults of the pool
	serial  uint32      // serial number of the current attempt
	Tries   int         // attempts that failed with an error
	Kills   int         // workers that died while they ran it
	live    bool        // queued, running, or waiting for another attempt
	// live, but it is not yet time to try again, or there is no room for its argument
	delayed  bool
	homeless bool // the call is delayed until there is memory for its arguments
	listed   bool // its result has come, and its waiter has not been told yet
	kept     bool // pending until its waiter has read the result: Close waits for that
	owed     bool // not live, but pending: it may run again because of its error, or is kept
	// its worker died: its arguments are to run one by one; the one that ran was slot.at
	Split  bool
	Err    error   // instead of a result
	future Settler // the future of ApplyAsync, else nil
	// reports whether the task must not run again if its worker dies; nil: it may
	spent func() bool
	Began Began // what the future tells of the start

	nilArg  bool      // the argument is a nil slice
	again   bool      // its arguments were submitted before, in a chunk
	tally   *tally    // that its arguments are counted in, from the submission on
	carries bool      // the slot has what the caller's Carry has said
	timed   bool      // its waiter wants to know how long it takes
	since   time.Time // time of the submission, if it is timed
	running time.Time // first look that found the task running, for the hard deadline
	asked   uint32    // serial of the attempt that was past it, and that a stack is asked of
	expired bool      // its worker is being killed because of it
	stack   string    // stack of the task, when it has expired
	stuck   bool      // a goroutine that cannot be killed is still at it, see goroutine.go
	left    bool      // stuck, and belongs to no list
}

// An Order is what a caller says of a task that it puts into a slot.
type Order struct {
	Task   *Task
	Waiter *Waiter // that wants the result
	Index  int     // of the first argument
	Count  int     // of arguments, from 1
	Kills  int     // workers that have died of it already
	Future Settler // nil: there is none
	Again  bool    // the arguments were submitted before, in a chunk
	Kept   bool    // Close waits until the waiter has read the result
	Timed  bool    // the waiter wants to know how long it takes
	Carry  *Carry  // nil: it carries nothing beside its argument
	// reports whether the task must not run again if its worker dies, and says that its argument
	// must stay where it is; nil: neither
	Spent func() bool
}

// A Carry is what a task carries beside its argument.
type Carry = [tasktable.CarryBytes]byte

// Carry is what Options.Carry says to a call with that context; nil: there is none.
func (p *Pool) Carry(ctx context.Context) *Carry {
	if p.options.Carry == nil {
		return nil
	}
	carry := p.options.Carry(ctx)
	return &carry
}

// Fill says what is in slot i, which is the caller's. The arguments are in place.
func (p *Pool) Fill(i uint32, o *Order) {
	sl := &p.table.Slots[i]
	sl.Task, sl.Count = o.Task.ID, uint32(o.Count)
	c := &p.calls[i] // as release has left it; not as a whole, since others look whether it is out
	c.waiter, c.Index, c.Count, c.task, c.Options = o.Waiter, o.Index, o.Count, o.Task.Name, p.Defaults(o.Task.Options)
	c.Kills, c.again, c.kept, c.timed, c.spent = o.Kills, o.Again, o.Kept, o.Timed, o.Spent
	if o.Carry != nil {
		sl.Carry, c.carries = *o.Carry, true
	}
	if o.Future != nil {
		c.future = o.Future
	}
}

// Call is what the parent knows of the task in slot i, which is the caller's: it has the slot from
// [Pool.AcquireSlots], or its result from [Pool.Collected].
func (p *Pool) Call(i uint32) *Call { return &p.calls[i] }

// A Block is where an argument or a result is.
type Block struct {
	Off  uint64 // 0: in the slot
	Size int    // bytes
}

// outside is how many bytes of shared memory it takes beside the slot.
func (b *Block) outside() int {
	if b.Off == 0 {
		return 0
	}
	return b.Size
}

// An Outcome is what a worker says of a task that is done. The parent reads it once, into its own
// memory: what other processes can write, they may write at any time.
type Outcome struct {
	Kind  uint32
	Block Block         // of the result
	Ran   time.Duration // 0: not known
	At    int           // which argument of a chunk ran last
	moved []byte        // the result, when it had to make room: see room.go

	// of a chunk: arguments without a value, and of those the ones that panicked, and the ones that
	// the pool could not run
	failures, panics, unsent int
}

// IsLarge says that the result is not in the slot, or was not.
func (o *Outcome) IsLarge() bool { return o.Block.Off != 0 || o.moved != nil }

// outcomeIn reads what the worker has left in a slot that has count arguments.
func outcomeIn(sl *tasktable.Slot, count int) Outcome {
	o := Outcome{
		Kind: sl.Kind, Block: Block{sl.Result, int(sl.ResultLen)},
		Ran: max(time.Duration(sl.Ran), 0), At: min(int(sl.At.Load()), count-1),
	}
	if o.Kind == task.KindChunk {
		if o.failures = int(min(sl.Failures, uint32(count))); o.failures > 0 {
			o.panics = int(min(sl.Panics, uint32(o.failures)))
			o.unsent = int(min(sl.Unsent, uint32(o.failures-o.panics)))
		}
	}
	return o
}

// nextSerial is the number of the attempt after that. 0 is none's.
func nextSerial(serial uint32) uint32 {
	if serial++; serial == 0 {
		serial = 1
	}
	return serial
}

// finish hands the result in slot i to its waiter, and reports whether there is none. p.mu is held.
// A late or repeated message is recognised by its serial number, or because the call is not live
// any more.
func (p *Pool) finish(i, serial uint32) (gone bool) {
	c := &p.calls[i]
	s := p.table.Slots[i].State.Load()
	if !c.live || c.serial != serial || tasktable.PhaseOf(s) != tasktable.PhaseDone || tasktable.SerialOf(s) != serial {
		return false
	}
	if c.future != nil && p.bridge == nil {
		c.Began, _ = p.begun(i, s)
	}
	return p.deliver(i)
}

// deliver ends the task in slot i, and reports whether no caller waits for its result. p.mu is
// held.
func (p *Pool) deliver(i uint32) (gone bool) {
	c := &p.calls[i]
	c.live = false
	p.work--
	if c.Err == nil && !c.Split {
		c.Got = outcomeIn(&p.table.Slots[i], c.Count)
	}
	if c.owed = c.Options.Retry != nil || c.kept; !c.owed {
		p.settled(c)
	}
	if !c.since.IsZero() && c.Err == nil {
		p.latency.add(c.tally, time.Since(c.since), c.Got.Ran, c.Count)
	}
	if c.waiter == nil {
		return true
	}
	c.listed = true
	c.waiter.ready = append(c.waiter.ready, i)
	c.waiter.signal()
	return false
}

// settled counts one task less, and how it has ended, under mu.
func (p *Pool) settled(c *Call) {
	p.countEnd(c)
	if p.pending--; p.closing && p.settledAll() {
		close(p.empty)
	}
}
