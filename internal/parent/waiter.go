package parent

import (
	"context"
	"errors"
	"slices"

	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/queue"
)

// A Waiter is a call of Apply or Map that waits for results, or all futures together. A slot is
// appended to ready when its result comes. Only waiters read the queue of results. A waiter takes
// the lead when it is free, collects for all, and passes the lead on when its own result is there.
// So the worker itself wakes the caller of Apply.
type Waiter struct {
	ready   []uint32      // guarded by Pool.mu
	spare   []uint32      // the other one of two buffers
	Scratch []byte        // for results, see Pool.result
	wake    chan struct{} // has room for one; says that something has changed for this waiter
}

func NewWaiter() *Waiter { return &Waiter{wake: make(chan struct{}, 1)} }

func (w *Waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Collected takes the slots that have results. They are valid until the next call.
func (p *Pool) Collected(w *Waiter) []uint32 {
	p.mu.Lock()
	ready := w.ready
	w.ready, w.spare = w.spare[:0], ready
	for _, i := range ready {
		p.calls[i].listed = false
	}
	p.mu.Unlock()
	return ready
}

// CollectedByTurns is [Pool.Collected] for a caller that passes its results to the user's code: it
// takes large ones one by one, so that those it has not taken can make room for others. more says
// that some are left.
func (p *Pool) CollectedByTurns(w *Waiter) (ready []uint32, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := slices.IndexFunc(w.ready, func(i uint32) bool { return p.calls[i].Got.IsLarge() })
	if n < 0 {
		n = len(w.ready)
	}
	n = min(max(n, 1), len(w.ready))
	w.spare = append(w.spare[:0], w.ready[:n]...)
	w.ready = w.ready[:copy(w.ready, w.ready[n:])]
	for _, i := range w.spare {
		p.calls[i].listed = false
	}
	return w.spare, len(w.ready) > 0
}

// Wake signals w, wherever it waits.
func (p *Pool) Wake(w *Waiter) {
	w.signal()
	if p.leader.Load() == w { // the leader waits for messages, not for signals
		p.wakeLeader()
	}
}

// Await returns when something has changed for w.
//
// Errors: the cause of ctx's end; why the pool has ended.
func (p *Pool) Await(ctx context.Context, w *Waiter) error {
	for {
		select { // a select of one channel is much cheaper than the select of four below
		case p.lead <- struct{}{}:
		default:
			select {
			case <-w.wake:
				return nil
			case p.lead <- struct{}{}:
			case <-ctx.Done():
				return w.unlessWoken(context.Cause(ctx))
			case <-p.alive.Done():
				return w.unlessWoken(context.Cause(p.alive))
			}
		}
		p.leader.Store(w) // before the look at w.wake: see Pool.wake
		woken := w.woken()
		var err error
		if !woken {
			err = p.collect(ctx)
		}
		p.leader.Store(nil)
		<-p.lead
		switch {
		case woken:
			return nil
		case err != nil:
			return w.unlessWoken(err)
		}
	}
}

func (w *Waiter) woken() bool {
	select {
	case <-w.wake:
		return true
	default:
		return false
	}
}

// unlessWoken is err, unless something has changed for w at the last moment.
func (w *Waiter) unlessWoken(err error) error {
	if w.woken() {
		return nil
	}
	return err
}

// collect waits for messages of the workers and passes them on. The caller has the lead.
func (p *Pool) collect(ctx context.Context) error {
	get := ctx
	if p.room.short.Load() {
		var cancel context.CancelFunc
		get, cancel = context.WithTimeout(ctx, p.shortPause())
		defer cancel()
	}
	n, err := p.table.Done.GetBatch(get, p.messages[:])
	switch {
	case err == nil:
		p.dispatch(p.messages[:n])
		return nil
	case get.Err() != nil && ctx.Err() == nil:
		p.makeRoom()
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(err, queue.ErrClosed):
		p.fail(err)
	}
	<-p.alive.Done() // the queue is closed when it ends
	return context.Cause(p.alive)
}

// dispatch passes on what workers say.
func (p *Pool) dispatch(messages []uint64) {
	var gone []uint32
	p.mu.Lock()
	for _, m := range messages {
		i, serial := uint32(m), uint32(m>>32)
		switch {
		case i == tasktable.ReadySlot:
			p.workers.ready(serial)
		case i == tasktable.RoomSlot:
			p.asksForRoom(serial)
		case int(i) < len(p.table.Slots) && p.finish(i, serial):
			gone = append(gone, i)
		}
	}
	p.mu.Unlock()
	if gone != nil {
		p.Release(gone...)
	}
}

// wakeLeader makes the leader look around. If there is no room for the message, the leader is about
// to look anyway.
func (p *Pool) wakeLeader() { p.table.Done.TryPut(tasktable.MessageOf(tasktable.LeaderSlot, 0)) }

// collectReady passes on the results that are there, unless another waiter is about to do that.
func (p *Pool) collectReady() {
	select {
	case p.lead <- struct{}{}:
	default:
		return
	}
	n := 0
	for n < len(p.messages) {
		m, err := p.table.Done.TryGet()
		if err != nil { // nothing is there, or the pool has ended
			break
		}
		p.messages[n] = m
		n++
	}
	p.dispatch(p.messages[:n])
	<-p.lead
}

// TooLate is why what has just been read in shared memory may be something else: the pool has
// ended, and the memory was closed before the end of the read. It is nil when the read has come in
// time.
func (p *Pool) TooLate() error {
	if p.table.Mem.Closed() {
		return context.Cause(p.alive) // it ends before
	}
	return nil
}

// Result is what the worker has left in slot i: in memory that no other process can write, unless
// its reader copies it once and decodes the copy. It is valid until the next call with that scratch
// memory.
func (p *Pool) Result(i uint32, scratch *[]byte, copies bool) ([]byte, error) {
	o := &p.calls[i].Got
	if o.moved != nil {
		return o.moved, nil
	}
	b, err := p.table.Bytes(o.Block.Off, o.Block.Size, p.table.Slots[i].Results[:])
	if err != nil || copies {
		return b, err
	}
	b = append((*scratch)[:0], b...)
	if len(b) <= scratchBytes {
		*scratch = b
	}
	return b, nil
}

// scratchBytes is how much memory a call keeps for results.
const scratchBytes = 64 << 10
