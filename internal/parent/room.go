package parent

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// Memory is backpressure. Blocks of shared memory, for arguments and results that do not fit into
// their slots, have Options.Memory bytes in all. The protocol:
//
//   - Waiting for room: a caller, for the block of an argument, before the task is submitted; a
//     worker, for the block of a result, after the task has returned. No other step of the pool
//     waits for room.
//   - Giving room: the parent alone frees blocks. A caller frees the argument and the result of its
//     task when it has taken the result. A caller that is busy otherwise, as in the body of a loop
//     over IMap, does not; that is the backpressure.
//   - Order: workers come before callers, because a result that is complete frees an argument, too.
//     Each of the two waits in a line. As long as workers wait, the parent allocates for them, in
//     their order, and no other worker takes a block.
//   - Reserve: arguments that no worker has begun hold at most half of the memory, or are a single
//     one. The other half is the reserve of the results. Loops over IMap keep what they leave
//     unread within half, as far as they can know.
//   - The last resort: when room is short, and a caller waits for anything, that caller makes room
//     after a short time. It moves blocks to the parent's own memory: results that were not taken,
//     and their arguments, then arguments of tasks that no worker has begun, then arguments of
//     tasks with a worker that waits for room. The last are needed only when the worker dies. For
//     an argument that waits to come back, it moves results.
//
// There is no deadlock: what the last resort cannot move are arguments of tasks that run, and those
// return. In the end the worker that is first in its line has all memory for itself; so a result
// that fits into Options.Memory gets its room. The same holds for the first caller in its line,
// when no worker waits. What is larger than Options.Memory is an error at once.

// room has the callers and workers that wait for shared memory. Pool.mu guards it, apart from
// fields that say otherwise.
type room struct {
	limit    int           // bytes of Options.Memory; immutable
	args     atomic.Int64  // bytes of blocks of arguments; changed without Pool.mu, too
	short    atomic.Bool   // a line is not empty; written under Pool.mu
	workers  []*supervisor // workers that wait for memory for a result
	homeless []uint32      // slots whose arguments wait for memory again
	callers  []*roomWait   // callers that wait for memory for an argument
	pause    time.Duration // before the next last resort
}

// A roomWait is a caller that waits for room.
type roomWait struct {
	w      *Waiter
	bytes  int
	passed int  // how many callers that came later have got memory since
	lacks  bool // there was no room in memory, other than by the rule of the half
}

const (
	// passedMost is how many may overtake a caller that waits for more room than they need.
	passedMost = 100

	// rousedMost is how many callers are told at once that there may be room.
	rousedMost = 8

	shortPause    = time.Millisecond
	shortPauseMax = 64 * time.Millisecond
)

// Place puts arguments into slot i, which is the caller's. It reports false when there is no room
// just now: then w is woken when there may be some, until it gets it or calls [Pool.leaveRoom].
func (p *Pool) Place(w *Waiter, i uint32, c task.Content) (placed bool, err error) {
	sl := &p.table.Slots[i]
	if c.Size <= len(sl.Args) {
		c.CopyTo(sl.Args[:])
		p.calls[i].nilArg = c.IsNil()
		sl.Arg, sl.ArgLen, p.calls[i].Arg = 0, uint32(c.Size), Block{0, c.Size}
		return true, nil
	}
	if !tasktable.Fits(c.Size, p.room.limit) {
		return false, tasktable.TooLarge(c.Size, p.room.limit)
	}
	var off uint64
	var mem []byte
	if now := p.room.args.Load() + int64(c.Size); !p.room.short.Load() && now <= int64(p.room.limit)/2 {
		off, mem, err = p.table.Mem.AllocDirty(c.Size)
	}
	if mem == nil {
		if err != nil && !tasktable.MustWait(err) {
			return false, err
		}
		if off, mem, err = p.queueForRoom(w, c.Size); mem == nil {
			return false, err
		}
	}
	p.room.args.Add(int64(c.Size))
	c.CopyTo(mem)
	sl.Arg, sl.ArgLen, p.calls[i].Arg = off, uint32(c.Size), Block{off, c.Size}
	return true, nil
}

// queueForRoom allocates n bytes if it is the caller's turn. Otherwise the caller waits in line,
// and mem is nil.
func (p *Pool) queueForRoom(w *Waiter, n int) (off uint64, mem []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.room
	at := slices.IndexFunc(r.callers, func(c *roomWait) bool { return c.w == w })
	hopeless := false
	turn := len(r.workers)+len(r.homeless) == 0
	if turn && at != 0 && len(r.callers) > 0 {
		turn = r.callers[0].passed < passedMost
	}
	if turn {
		if waiting := p.waitingArgs(); waiting == 0 || waiting+n <= r.limit/2 {
			off, mem, err = p.table.Mem.AllocDirty(n)
			if tasktable.LacksRoom(err) && p.hopeless(nil) {
				off, mem, err = p.table.Mem.AllocDirty(n) // some may have been freed meanwhile
				hopeless = tasktable.LacksRoom(err)
			}
		}
	}
	switch {
	case mem != nil:
		if at != 0 && len(r.callers) > 0 {
			r.callers[0].passed++
		}
		if at >= 0 {
			p.leaveRoomAt(at)
		}
		return off, mem, nil
	case err != nil && !tasktable.MustWait(err) || hopeless:
		return 0, nil, err
	case at < 0:
		r.callers = append(r.callers, &roomWait{w: w})
		at = len(r.callers) - 1
	}
	r.callers[at].bytes, r.callers[at].lacks = n, tasktable.LacksRoom(err)
	p.runShort()
	return 0, nil, nil
}

// LeaveRoom notes that a caller does not wait for room any more.
func (p *Pool) LeaveRoom(w *Waiter) {
	if !p.room.short.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := slices.IndexFunc(p.room.callers, func(c *roomWait) bool { return c.w == w }); at >= 0 {
		p.leaveRoomAt(at)
	}
}

// leaveRoomAt takes a caller off the line, under mu. What it was woken for is the next one's.
func (p *Pool) leaveRoomAt(at int) {
	p.room.callers = slices.Delete(p.room.callers, at, at+1)
	p.provide(false)
}

// runShort notes, under mu, that a line is not empty.
func (p *Pool) runShort() {
	if !p.room.short.Load() {
		p.room.pause = shortPause
		p.room.short.Store(true)
		p.wakeLeader() // the leader may sleep for long
	}
}

// waitingArgs is how many bytes the arguments have, under mu, that no worker has begun. A bridge
// has any number of arguments: it counts as if it had begun none.
func (p *Pool) waitingArgs() int {
	n := int(p.room.args.Load())
	for i := range p.calls {
		c := &p.calls[i]
		begun := p.bridge == nil && c.live && !c.delayed && tasktable.PhaseOf(p.table.Slots[i].State.Load()) != tasktable.PhaseQueued
		if c.listed || begun {
			n -= c.Arg.outside()
		}
	}
	return n
}

// hopeless says, under mu, that no task but that of c, if any, will give room back: then there is
// none because the system has none.
func (p *Pool) hopeless(c *supervisor) bool {
	for i := range p.calls {
		s := p.table.Slots[i].State.Load()
		if p.calls[i].live && !(c != nil && tasktable.PhaseOf(s) == tasktable.PhaseRunning && tasktable.WorkerOf(s) == c.owner()) {
			return false
		}
	}
	r, err := p.table.Mem.Check()
	return err == nil && r.Blocks == 0
}

// asksForRoom notes, under mu, that the worker of that number waits for room.
func (p *Pool) asksForRoom(number uint32) {
	if int(number) >= len(p.workers.children) {
		return
	}
	if c := p.workers.children[number]; !slices.Contains(p.room.workers, c) {
		p.room.workers = append(p.room.workers, c)
	}
	p.table.Scarce.Store(1)
	p.runShort()
	p.provide(false)
}

// provide gives room to waiters as far as there is some, and as a last resort makes some. p.mu is
// held.
func (p *Pool) provide(lastResort bool) {
	p.table.FreeUnfreed()
	r := &p.room
	for len(r.workers) > 0 && p.grant(r.workers[0], lastResort) {
		r.workers = slices.Delete(r.workers, 0, 1)
	}
	for len(r.workers) == 0 && len(r.homeless) > 0 && p.bringBack(r.homeless[0], lastResort) {
		r.homeless = slices.Delete(r.homeless, 0, 1)
	}
	if len(r.workers) > 0 {
		return
	}
	p.table.Scarce.Store(0)
	if len(r.homeless) == 0 {
		if lastResort && len(r.callers) > 0 && r.callers[0].lacks {
			p.moveResults(func(freed int) bool { return freed >= r.callers[0].bytes })
		}
		for _, c := range r.callers[:min(len(r.callers), rousedMost)] {
			p.Wake(c.w)
		}
		r.short.Store(len(r.callers) > 0)
	}
}

// roomFreed gives room to waiters after blocks were freed.
func (p *Pool) roomFreed() {
	if p.room.short.Load() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.provide(false)
	}
}

// shortPause is how long the leader waits for a message before it makes room.
func (p *Pool) shortPause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.room.pause
}

// makeRoom is the last resort. The caller has waited for a while.
func (p *Pool) makeRoom() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room.pause = min(2*p.room.pause, shortPauseMax)
	p.provide(true)
}

// grant gives the worker the room that it waits for, under mu. It reports false when there is none
// yet.
func (p *Pool) grant(c *supervisor, lastResort bool) bool {
	word := &c.record.Room
	v := word.Load()
	n := int(v >> 1)
	if v&tasktable.RoomAsks == 0 || c.host == nil {
		return true // the worker does not wait any more
	}
	off, err := uint64(tasktable.RoomRefused), error(nil)
	if tasktable.Fits(n, p.room.limit) {
		off, _, err = p.table.Mem.AllocDirty(n)
		if tasktable.LacksRoom(err) && lastResort {
			if off, err = p.allocMoving(n); tasktable.LacksRoom(err) && p.hopeless(c) {
				if off, _, err = p.table.Mem.AllocDirty(n); tasktable.LacksRoom(err) {
					off, err = tasktable.RoomRefused, nil
				}
			}
		}
	}
	switch {
	case tasktable.MustWait(err):
		return false
	case err != nil:
		off = tasktable.RoomRefused
	}
	if !word.CompareAndSwap(v, tasktable.RoomGiving) {
		if off != tasktable.RoomRefused {
			p.table.FreeBlock(off, 0)
		}
		return true // the worker has given up
	}
	if off != tasktable.RoomRefused && !p.local {
		if p.table.Mem.Give(off, c.owner(), 0) != nil {
			off = tasktable.RoomRefused
		}
	}
	word.Store(off)
	c.ring()
	return true
}
