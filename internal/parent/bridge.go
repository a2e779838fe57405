package parent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/linemux"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/worker"
	"github.com/shmkit/shmkit/queue"
)

// A Bridge is a kind of worker that hands tasks to an engine. A pool has one of them, which takes
// any number of tasks at once: a slot is running from its submission to the engine until its result
// is there.
//
//	#2 queued  --send-->  #3 running by the bridge  --deliver-->  #4 done
//
// The engine may deliver late, twice, or for attempts that are over. A result counts when its slot
// runs that attempt, and no other result of it was claimed before.
type Bridge struct{ Start engine.Start }

func (Bridge) isLocal() bool { return true }

// begin starts the engine.
func (k Bridge) begin(ctx context.Context, p *Pool) (err error) {
	b := &bridge{
		p: p, me: worker.LocalIDs.Take(), gone: make(chan struct{}),
		submitted: make([]uint32, len(p.calls)), claimed: make([]uint32, len(p.calls)),
	}
	b.taking, b.last = context.WithCancel(context.Background())
	b.patience, b.giveUp = context.WithCancel(context.Background())
	p.bridge = b
	if b.engine, err = k.Start(ctx, b.deliver); err != nil {
		worker.LocalIDs.Release(b.me)
	}
	return err
}

// launch has the bridge take tasks.
func (Bridge) launch(c *supervisor, _ *linemux.Writer) (host, error) {
	b := c.p.bridge
	b.number, b.record = uint32(c.number), c.record
	go b.work()
	return b, nil
}

// A bridge is the only worker of a pool, of which an engine runs the tasks.
type bridge struct {
	p      *Pool
	engine engine.Engine
	me     proctab.Owner // what the states of slots call it
	number uint32
	record *tasktable.Record

	taking   context.Context // ends when no more tasks are to be taken
	last     context.CancelFunc
	patience context.Context // ends when the pool waits no longer for the end of the engine
	giveUp   context.CancelFunc
	gone     chan struct{} // closed when the engine has ended

	arg []byte // copy of the argument that is being submitted

	// By slot, the attempt that the engine has, or whose result is being placed; 0: none. Guarded
	// by Pool.mu.
	submitted, claimed []uint32

	// placing is held by a result that waits for room: the bridge has one place in that line.
	placing sync.Mutex
}

// work submits tasks until there shall be no more, and ends the engine.
func (b *bridge) work() {
	p := b.p
	b.record.Owner.Store(uint32(b.me))
	b.record.Stage.Store(uint32(tasktable.StageReady))
	err := p.table.Done.Put(b.taking, tasktable.MessageOf(tasktable.ReadySlot, b.number))
	for err == nil {
		var message uint64
		if message, err = p.table.Todo.Get(b.taking); err == nil {
			b.send(message)
		}
	}
	if !errors.Is(err, queue.ErrClosed) && b.taking.Err() == nil {
		p.fail(err)
	}
	p.mu.Lock()
	abandon, grace := p.alive.Err() != nil, p.grace
	p.mu.Unlock()
	b.engine.Close(b.patience, abandon, grace)
	worker.LocalIDs.Release(b.me)
	close(b.gone)
}

// send submits the task that a message names, unless the message is out of date.
func (b *bridge) send(message uint64) {
	p, i, serial := b.p, uint32(message), uint32(message>>32)
	if int(i) >= len(p.table.Slots) {
		p.fail(fmt.Errorf("a message names slot %d of %d", i, len(p.table.Slots)))
		return
	}
	sl := &p.table.Slots[i]
	// #2 -> #3
	if !sl.State.CompareAndSwap(tasktable.StateOf(tasktable.PhaseQueued, 0, serial), tasktable.StateOf(tasktable.PhaseRunning, b.me, serial)) {
		return // withdrawn, or sent before
	}
	// The argument stays where it is until the engine has it: see has.
	in, err := p.Argument(i)
	b.arg = append(b.arg[:0], in...)
	p.mu.Lock()
	call := b.callOf(i, message)
	b.submitted[i] = serial
	p.mu.Unlock()
	switch {
	case err != nil:
	case p.dropping.Load():
		err = task.ErrClosed
	case sl.Cancel.Load() == serial:
		err = context.Canceled
	}
	if err == nil {
		err = b.engine.Submit(call)
	}
	if err != nil {
		b.deliver(engine.Result{ID: message, Err: err})
	} else if sl.Cancel.Load() == serial { // perhaps before the engine knew the task
		b.engine.Cancel(message)
	}
	if cap(b.arg) > scratchBytes {
		b.arg = nil
	}
}

// callOf describes the task in slot i for the engine, under Pool.mu.
func (b *bridge) callOf(i uint32, id uint64) engine.Call {
	c := &b.p.calls[i]
	signature := uint64(0)
	if h := task.ByID(b.p.table.Slots[i].Task); h != nil {
		signature = h.Signature()
	}
	var carry Carry
	if c.carries {
		carry = b.p.table.Slots[i].Carry
	}
	arg := b.arg
	switch {
	case c.nilArg:
		arg = nil
	case arg == nil:
		arg = []byte{}
	}
	return engine.Call{
		ID: id, Task: c.task, Signature: signature, Count: c.Count,
		SoftDeadline: c.Options.SoftDeadline, HardDeadline: c.Options.HardDeadline, Deaf: c.Options.Deaf, Attempts: c.Options.Attempts,
		Kills: c.Kills, Carry: carry, Arg: arg,
	}
}

// has says, under Pool.mu, that the engine has a copy of what is in slot i.
func (b *bridge) has(i uint32) bool { return b.submitted[i] == b.p.calls[i].serial }

// deliver takes a result from the engine.
func (b *bridge) deliver(r engine.Result) bool {
	i, serial := uint32(r.ID), uint32(r.ID>>32)
	if !b.claim(i, serial) {
		return false
	}
	var at Block
	if r.Err == nil && !r.Split {
		var err error
		if at, err = b.place(i, serial, r.Bytes); err != nil {
			r.Err = fmt.Errorf("pool: task %q: the result: %w", b.p.calls[i].task, err)
		}
	}
	var f task.Failures
	if r.Err == nil && r.Kind == task.KindChunk {
		f = task.FailuresIn(r.Bytes)
	}
	if !b.complete(i, serial, &r, at, f) {
		if at.Off != 0 {
			b.p.table.FreeBlock(at.Off, 0)
		}
		return false
	}
	b.p.table.Done.Put(context.Background(), r.ID) // an error means that the pool has ended
	return true
}

// runs says, under Pool.mu, whether the engine runs that attempt of the task in slot i.
func (b *bridge) runs(i, serial uint32) bool {
	c := &b.p.calls[i]
	return c.live && c.serial == serial && b.p.table.Slots[i].State.Load() == tasktable.StateOf(tasktable.PhaseRunning, b.me, serial)
}

// claim makes the caller the only one to deliver the result of an attempt.
func (b *bridge) claim(i, serial uint32) bool {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	if int(i) >= len(b.p.calls) || !b.runs(i, serial) || b.claimed[i] == serial {
		return false
	}
	b.claimed[i] = serial
	return true
}

// place puts a result into slot i, or into a block, for which it waits.
func (b *bridge) place(i, serial uint32, result []byte) (at Block, err error) {
	p, n := b.p, len(result)
	if inline := p.table.Slots[i].Results[:]; n <= len(inline) {
		copy(inline, result)
		return Block{0, n}, nil
	}
	if !tasktable.Fits(n, p.room.limit) {
		return at, tasktable.TooLarge(n, p.room.limit)
	}
	var off uint64
	var mem []byte
	if p.table.Scarce.Load() == 0 {
		if off, mem, err = p.table.Mem.AllocDirty(n); err != nil && !tasktable.MustWait(err) {
			return at, err
		}
	}
	if mem == nil {
		b.placing.Lock()
		defer b.placing.Unlock()
		sl := &p.table.Slots[i]
		off, err = worker.AwaitRoom(p.alive, p.table, b.number, n, func() error {
			if sl.Cancel.Load() == serial {
				return context.Canceled
			}
			return p.Ended()
		})
		if err == nil {
			mem, err = p.table.Mem.Bytes(off, n)
		}
		if err != nil {
			return at, err
		}
	}
	copy(mem, result)
	return Block{off, n}, nil
}

// complete makes a result that was placed the one of the attempt. It reports false when the pool
// has ended the attempt meanwhile.
func (b *bridge) complete(i, serial uint32, r *engine.Result, at Block, f task.Failures) bool {
	p, sl := b.p, &b.p.table.Slots[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	b.claimed[i] = 0
	if !b.runs(i, serial) || p.alive.Err() != nil { // it may be a consequence of the end
		return false
	}
	c := &p.calls[i]
	c.Err, c.Began = r.Err, Began(r.Began)
	if r.Split && c.Count > 1 {
		c.Split, c.Kills, c.Got.At = true, r.Kills, max(0, min(r.At, c.Count-1))
		if p.retry(c, c.Got.At); r.Err == nil {
			p.retry(c, 1)
		}
	}
	sl.Kind, sl.Result, sl.ResultLen, sl.Ran = r.Kind, at.Off, uint32(at.Size), int64(r.Ran)
	sl.Failures, sl.Panics, sl.Unsent = f.All, f.Panics, f.Unsent
	b.record.Done.Add(uint64(c.Count))
	sl.State.Store(tasktable.StateOf(tasktable.PhaseDone, b.me, serial)) // #3 -> #4
	return true
}

// began is the worker that runs a call, if the engine knows it.
func (b *bridge) began(id uint64) (Began, bool) {
	if w, ok := b.engine.(engine.Watcher); ok {
		began, ok := w.Began(id)
		return Began(began), ok
	}
	return Began{}, false
}

// drop drops the tasks that no worker has begun, if the engine can.
func (b *bridge) drop() {
	if d, ok := b.engine.(engine.Dropper); ok {
		d.Drop()
	}
}

func (b *bridge) restart(ctx context.Context) error {
	if err := b.p.Ended(); err != nil {
		return err
	}
	if r, ok := b.engine.(engine.Restarter); ok {
		return r.Restart(ctx)
	}
	return engine.ErrRestart
}

// statsPatience is how long the statistics of a pool wait for those of its engine.
const statsPatience = 500 * time.Millisecond

// addStats puts what the engine knows of its workers in place of what is known of the bridge.
func (b *bridge) addStats(s *Stats) {
	ctx, cancel := context.WithTimeout(context.Background(), statsPatience)
	defer cancel()
	e := b.engine.Stats(ctx)
	s.Workers = nil
	for _, w := range e.Workers {
		s.Workers = append(s.Workers, WorkerStats(w))
	}
	s.Killed, s.Recycled, s.Retried = e.Killed, e.Recycled, s.Retried+e.Retried
	s.Queued = max(s.Pending-e.Running, 0)
	s.Run, s.Missing = Latency(e.Run), e.Missing
}

// A bridge is the host of the only worker.

func (b *bridge) PID() int { return 0 }

func (b *bridge) Wait() child.Exit {
	<-b.gone
	return child.Exit{}
}

func (b *bridge) Terminate() error {
	b.last()
	return nil
}

func (b *bridge) Kill() error {
	b.last()
	b.giveUp()
	return nil
}

func (b *bridge) Usage() (child.Usage, error) { return child.Usage{}, errors.ErrUnsupported }
