// Package cell is one value of any length in shared memory, which is read far more often than
// written.
//
// A writer fills the idle one of two places, each a part of the object that grows with the value,
// and then stores the revision, which says which place is valid. A reader copies the value, and
// looks whether the revision is still the same. A process that is killed leaves the value that was
// there before, or the new one; the next writer frees the block that was changing hands. No writer
// waits for readers, and no reader for a writer that is stopped or killed.
package cell

import (
	"context"
	"errors"
	"math"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/owned"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Cell is one process's view of a Var. It may be used by any number of goroutines.
type Cell struct {
	o     *segment.Object
	there segment.Presence
	head  *head
	m     *lock.Mutex
	order race.Shadow
	first []byte // the initial value, in shared memory
}

// MaxValue is how many bytes the longest value has.
const MaxValue = 1<<30 - 1

// Spec is what the directory has to know to make a Var with that value.
func Spec(name, typ string, initial []byte) segment.Spec {
	return segment.Spec{
		Name: name, Kind: segment.KindVar, Type: typ, Size: headBytes + int64(len(initial)),
		Init: func(mem []byte) {
			h := headIn(mem)
			h.first = uint64(len(initial))
			h.places[0].length = h.first
			copy(mem[headBytes:], initial)
		},
	}
}

// Of is the process's view of the Var in o, which is of [segment.KindVar].
//
// Errors: [segment.ErrCorrupt] when the payload cannot be that of a Var.
func Of(o *segment.Object) (*Cell, error) {
	c := o.Local(func() (any, func() bool) {
		if len(o.Payload) < headBytes {
			return (*Cell)(nil), nil
		}
		c := &Cell{o: o, there: o.Presence(), head: headIn(o.Payload)}
		c.m = lock.NewMutex(o.Party(), o.LockMemory(o.Payload[:lock.RegionBytes]), wait.Adaptive)
		c.m.Target = o.Target(lock.RoleLock)
		c.first = o.Payload[headBytes:]
		return c, func() bool { return o.Seg.StillHeld(c.m.Held, nil) }
	}).(*Cell)
	if c == nil {
		return nil, o.Damaged("its size is impossible")
	}
	return c, nil
}

// Revision numbers the present value. It grows by one with each Store.
func (c *Cell) Revision() uint64 {
	// SYNC: revision: the value of that revision is complete.
	return c.head.revision.Load()
}

// Current reports whether the present value still has that revision, and the Var is there for this
// process.
func (c *Cell) Current(revision uint64) bool {
	return c.head.revision.Load() == revision && !c.there.Over()
}

const (
	readTries  = 64                   // how often Read tries before it locks
	readWait   = 5 * time.Millisecond // how long it then waits for the lock, at first
	readRounds = 10                   // how often it does both, each time waiting for twice as long
)

// Read appends the value to dst, and returns its revision. It never waits for a writer that was
// stopped or killed.
//
// Errors: [lock.ErrClosed], [segment.ErrCorrupt].
func (c *Cell) Read(dst []byte) (value []byte, revision uint64, err error) {
	for round := range c.o.Rounds(readRounds) {
		for range readTries {
			if value, revision, ok := c.read(dst); ok {
				c.order.Acquire()
				if c.o.Closed() {
					err = c.o.Gone()
				}
				runtime.KeepAlive(c)
				return value, revision, err
			}
		}
		if c.o.ReadOnly() {
			if err := c.o.AwaitTurn(context.Background(), round); err != nil {
				return dst, 0, err
			}
			continue
		}
		// Writers are faster than this reader. It keeps them out for once; when it does not get the
		// lock soon, one of them holds it and does nothing, so that the next look succeeds.
		ctx, cancel := context.WithTimeout(context.Background(), readWait<<round)
		err := c.lock(ctx)
		cancel()
		if err == nil {
			value, revision, ok := c.read(dst)
			if c.unlock(&err); ok {
				return value, revision, err
			}
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return dst, 0, err
		}
	}
	return dst, 0, owned.Corrupt(c.o)
}

// read is one try of Read.
func (c *Cell) read(dst []byte) (value []byte, revision uint64, ok bool) {
	revision = c.head.revision.Load() // SYNC: revision: the value is complete
	from, ok := c.at(c.head.places[revision&1])
	if !ok {
		return dst, 0, false
	}
	crashpoint.Here("cell.read.found")
	value = append(dst, from...)
	cpu.LoadFence() // the value was read before the revision is read again
	return value, revision, c.head.revision.Load() == revision
}

// at is the value at a place that was read once, in shared memory.
func (c *Cell) at(p place) (value []byte, ok bool) {
	if p.block == 0 {
		if p.length > uint64(len(c.first)) {
			return nil, false
		}
		return c.first[:p.length], true
	}
	mem := c.o.Seg.Memory()
	if c.o.Closed() || p.block < c.o.Seg.HeapStart() || p.block > 1<<46 || p.length > MaxValue || p.block+p.length > c.o.Seg.HeapEnd() {
		return nil, false
	}
	return mem[p.block : p.block+p.length : p.block+p.length], true
}

func (c *Cell) lock(ctx context.Context) error {
	if c.m.LockFast() {
		return nil
	}
	return owned.Lock(ctx, c.o, c.m, c.mend)
}

func (c *Cell) unlock(err *error) {
	c.order.ReleaseMerge()
	owned.Unlock(c.o, c.m, err)
}

func (c *Cell) holder() owned.Holder { return owned.Holder{Object: c.o, Words: &c.head.words} }

// mend frees a block that was changing hands when a process died with the lock.
func (c *Cell) mend() error {
	return c.holder().Mend(func(off uint64) bool {
		return c.head.places[0].block == off || c.head.places[1].block == off
	})
}

// Any is a revision of StoreAfter that stands for all.
const Any = math.MaxUint64

// StoreAfter makes value the present one, if the present one has that revision, and reports whether
// it has. It waits for other writers until ctx ends. After an error the value is as it was.
//
// Errors: [fs.ErrInvalid] when the value is too long, a [*mapping.NoSpaceError],
// [segment.ErrCorrupt], [lock.ErrClosed], the context's error.
func (c *Cell) StoreAfter(ctx context.Context, revision uint64, value []byte) (stored bool, err error) {
	if len(value) > MaxValue {
		return false, segment.Invalid("a value of %d bytes: at most %d are allowed", len(value), MaxValue)
	}
	if err := c.lock(ctx); err != nil {
		return false, err
	}
	if present := c.head.revision.Load(); revision == Any || revision == present {
		if err = c.store(ctx, present, value); err == nil {
			stored = true
		}
	}
	c.unlock(&err)
	if stored && err == nil {
		// always: a reader that may not write cannot say that it sleeps
		futex.Wake(c.head.futex(), math.MaxInt32)
	}
	runtime.KeepAlive(c)
	return stored && err == nil, err
}

// store fills the idle place and makes it the present one, under the lock.
//
// What a death leaves behind: before the revision is stored, an idle place in any condition, and
// perhaps a block that changes hands.
func (c *Cell) store(ctx context.Context, present uint64, value []byte) error {
	idle := &c.head.places[(present+1)&1]
	if err := c.makeRoom(ctx, idle, len(value)); err != nil {
		return err
	}
	into, ok := c.at(place{idle.block, uint64(len(value))})
	if !ok || idle.block == 0 {
		return owned.Corrupt(c.o)
	}
	copy(into, value)
	crashpoint.Here("cell.filled")
	idle.length = uint64(len(value))
	crashpoint.Here("cell.measured")
	// SYNC: revision: the value is complete before the revision names it. The fence keeps the next
	// change of what is now the idle place behind it: a reader that sees that sees the revision
	// moved.
	storeRelease(&c.head.revision, present+1) // with this the value is the present one
	cpu.StoreFence()
	crashpoint.Here("cell.stored")
	return nil
}

// makeRoom gives the idle place a block for n bytes.
func (c *Cell) makeRoom(ctx context.Context, idle *place, n int) error {
	if idle.block != 0 {
		have, err := c.o.Seg.Bytes(idle.block, n)
		if err == nil && len(have) == n {
			return nil
		}
	}
	h := c.holder()
	off, err := h.Add(ctx, max(n+n/8, 32)) // a little more, so that a value that grows finds room
	if err != nil {
		return err
	}
	if idle.block != 0 {
		h.Dropping(idle.block)
	}
	idle.block = off // with this the block is linked
	crashpoint.Here("cell.linked")
	h.Added()
	return h.GiveBack()
}

// Wait returns when the present revision is another one.
//
// Errors: [lock.ErrClosed], the context's error.
func (c *Cell) Wait(ctx context.Context, revision uint64) error {
	closer, began := c.o.Closer(), wait.Start(ctx)
	for c.head.revision.Load() == revision {
		if c.o.Vanished() {
			return c.o.Gone()
		}
		if err := wait.Over(ctx, closer); err != nil {
			return wait.Late(ctx, err, began)
		}
		wait.Park(ctx, closer, wait.BackstopOf(ctx), c.head.sleepOn(revision))
	}
	runtime.KeepAlive(c)
	return nil
}
