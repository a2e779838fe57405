package shm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Value is one T in shared memory, with a lock for writers and two copies of T:
// a writer fills the idle one and then flips. Readers take no lock and always see a whole
// T; a writer that is killed leaves the value that was there before.
//
// T must be of fixed size: numbers with a width in their name, bools, complex
// numbers, and arrays and structs of them. A byte that is no bool is read as true. Where T is used
// in place, in Update or by a pointer, that holds only as long as no other process writes there.
//
// Goroutines and processes may use a Value at once. It must not be copied. A
// Store or Update synchronizes before any Load that sees its value, in any process.
type Value[T any] struct {
	flipper
	copies [2]*T       // in the segment
	bools  *elem.Bools // of T
}

// NewValue finds the Value of that name, or makes it with the initial value. With "" for a name it
// makes one that handles alone lead to.
//
// Errors: a [*MismatchError], an [*UnsupportedTypeError], a [*NoSpaceError], [ErrTooManyObjects],
// [ErrRemoved], [ErrCorrupt], [ErrClosed]; [fs.ErrInvalid] for a bad name.
func NewValue[T any](seg *Segment, name string, initial T) (*Value[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	v := new(Value[T])
	return checked(v, find(v, seg, segment.Spec{
		Name: name, Kind: segment.KindValue, Type: t.Format, Size: int64(valueHeadBytes + 2*stride(t.Size)),
		Init: func(mem []byte) { *at[T](mem[valueHeadBytes:]) = initial },
	}))
}

// OpenValue finds the Value of that name, which must exist.
//
// Errors: [fs.ErrNotExist], a [*MismatchError], an [*UnsupportedTypeError], [ErrCorrupt],
// [ErrClosed].
func OpenValue[T any](seg *Segment, name string) (*Value[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	v := new(Value[T])
	return checked(v, open(v, seg, segment.Spec{Name: name, Kind: segment.KindValue, Type: t.Format, Size: segment.AnySize}))
}

// UnmarshalBinary makes v a handle of the Value that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenValue] and [Open].
func (v *Value[T]) UnmarshalBinary(b []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	return unmarshal(v, b, segment.KindValue, t.Format)
}

func (v *Value[T]) bind(o *segment.Object) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	step := stride(t.Size)
	if len(o.Payload) != valueHeadBytes+2*step {
		return damaged(o)
	}
	v.o = o
	g := guardOf(o)
	v.m, v.order, v.calling = g.m, &g.order, &g.calling
	v.sequence = &at[valueHead](o.Payload).sequence
	v.bools = t.Bools
	v.copies = [2]*T{at[T](o.Payload[valueHeadBytes:]), at[T](o.Payload[valueHeadBytes+step:])}
	return nil
}

// stride is the distance of two copies of a type of that size.
func stride(size int) int { return (size + 7) &^ 7 }

// Load returns the value. It never waits for a writer that was stopped or killed.
//
// Errors: [ErrClosed]; [ErrCorrupt] when damaged bytes keep it from ever reading a whole value.
// Where the process only reads also [ErrRemoved], and an error when writers outrun it for long.
func (v *Value[T]) Load() (T, error) {
	// SYNC: value: the copy that the sequence names is whole, and a writer
	// touches it only after the sequence has moved.
	s := v.sequence.Load()
	t := *v.copies[s&1]
	cpu.LoadFence() // the copy was read before the sequence is read again
	if v.sequence.Load() == s {
		return v.loaded(t)
	}
	return v.loadSlow(v.read)
}

// read reads the value unless a writer changes it meanwhile.
func (v *Value[T]) read() (t T, ok bool) {
	s := v.sequence.Load()
	t = *v.copies[s&1]
	cpu.LoadFence() // see Load
	return t, v.sequence.Load() == s
}

// loadSlow is Load while there are writers. It reads with the function read.
func (v *Value[T]) loadSlow(read func() (T, bool)) (T, error) {
	for round := 1; ; round++ {
		for range patience {
			if t, ok := read(); ok {
				return v.loaded(t)
			}
		}
		if v.o.ReadOnly() {
			if err := v.o.AwaitTurn(context.Background(), round); err != nil {
				return *new(T), v.failed(err)
			}
			continue
		}
		// Writers are faster than we can read. Keep them out for once; if that
		// does not succeed soon one of them holds the lock and does nothing, so that we can read.
		t, ok, err := v.loadLocked(round, read)
		if ok {
			return v.loaded(t)
		}
		if err != nil {
			return t, err
		}
	}
}

const (
	patience  = 64                   // how often Load tries before it locks
	loadLimit = 5 * time.Millisecond // how long it then waits, at first
)

// loadRounds is how often Load locks, each time for twice as long. Tests lower it.
var loadRounds = 10

// loadLocked reads the value under the lock, if it gets that soon. Round counts the calls of one
// Load, from 1.
//
// Errors: the lock was overwritten, or the sequence moves while this process holds the lock, or
// while another one holds it and does nothing: no writer would do that.
func (v *Value[T]) loadLocked(round int, read func() (T, bool)) (t T, ok bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), loadLimit<<min(round-1, loadRounds))
	defer cancel()
	switch err := v.lock(ctx); {
	case err == nil:
		t, ok := read()
		v.m.TryUnlock()
		if !ok {
			return t, false, v.failed(errUnstable)
		}
		return t, true, nil
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrClosed):
		return t, false, err
	case round >= loadRounds:
		return t, false, v.failed(errUnstable)
	}
	return t, false, nil
}

// errUnstable says that the sequence of a Value is written by something that is no Store.
var errUnstable = fmt.Errorf("%w: its sequence is written without its lock: remove it and make it anew", ErrCorrupt)

// loaded ends a Load.
func (v *Value[T]) loaded(t T) (T, error) {
	v.order.Acquire()
	err := v.closed()
	if v.bools != nil {
		t = elem.Mended(v.bools, t)
	}
	runtime.KeepAlive(v)
	return t, err
}

// Store sets the value. It waits for other writers until ctx ends.
//
// Errors: [ErrClosed], [ErrCorrupt], the context's error; the value is as it was then.
func (v *Value[T]) Store(ctx context.Context, value T) (err error) {
	if err := v.lock(ctx); err != nil {
		return err
	}
	s := v.sequence.Load()
	*v.copies[(s+1)&1] = value
	v.flip(s)
	v.unlock(v.m, &err)
	runtime.KeepAlive(v)
	return err
}

// Update lets f change the value, while other writers wait and readers still see the old one. The
// pointer is valid until f returns. When f returns an error, panics, or is killed with its process,
// nothing changes. F must not use this Value's Store or Update.
//
// Errors: that of f, [ErrClosed], [ErrCorrupt], the context's error; the value is as it was then.
func (v *Value[T]) Update(ctx context.Context, f func(*T) error) (err error) {
	if err := v.m.Lock(ctx); err != nil {
		if err := v.inherit(ctx, err); err != nil {
			return err
		}
	}
	defer v.unlock(v.m, &err)
	s := v.sequence.Load()
	idle := v.copies[(s+1)&1]
	*idle = *v.copies[s&1]
	elem.MendAt(v.bools, idle)
	v.copied()
	v.calling.Store(true)
	err = f(idle)
	v.calling.Store(false)
	if err != nil {
		return err
	}
	v.flip(s)
	runtime.KeepAlive(v)
	return nil
}

// A flipper is what of a Value is the same for all types. Its methods are compiled in this package,
// where calls of crash points are nothing; the code of a Value for a type of another package would
// make them.
type flipper struct {
	object
	m        *lock.Mutex
	order    *race.Shadow
	calling  *atomic.Bool // see guarded
	sequence *atomic.Uint64
}

// lock locks out other writers.
func (v *flipper) lock(ctx context.Context) error {
	if err := v.m.Lock(ctx); err != nil {
		return v.inherit(ctx, err)
	}
	return nil
}

// inherit ends a lock that did not just succeed. The death of a writer is no error: it left only
// the idle copy half-written.
func (v *flipper) inherit(ctx context.Context, err error) error {
	if errors.Is(err, lock.ErrOwnerDied) && v.m.TryMarkConsistent() {
		return nil
	}
	return v.notLocked(ctx, v.m, err)
}

// copied notes that the idle copy has the value.
func (v *flipper) copied() { crashpoint.Here("value.copied") }

// flip makes the idle copy the valid one.
func (v *flipper) flip(s uint64) {
	crashpoint.Here("value.filled")
	v.order.ReleaseMerge()
	// SYNC: value: the idle copy is written before the sequence names it.
	storeRelease(v.sequence, s+1)
	crashpoint.Here("value.flipped")
}
