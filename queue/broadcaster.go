package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/cast"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A Start says where a reader begins.
type Start int

const (
	// FromNewest begins with the first message that is put after the reader was made.
	FromNewest Start = iota
	// FromOldest begins with the oldest message that is kept; see [Options.Keep].
	FromOldest
)

// String names the place.
func (s Start) String() string { return enum(int(s), "Start", "FromNewest", "FromOldest") }

var (
	// ErrExpelled says that the reader was expelled: a put has waited for it for longer than
	// [Options.Patience]. It comes as an [*ExpelledError].
	ErrExpelled = cast.ErrExpelled

	// errOverwritten says that messages cannot be looked at where they lie.
	errOverwritten = fmt.Errorf("queue: a Broadcast with DropOldest waits for no reader: Peek: %w", errors.ErrUnsupported)

	// ErrTooManyReaders says that a broadcast has as many readers of living processes as it can
	// have; see [Options.Readers].
	ErrTooManyReaders = cast.ErrTooManyReaders

	// ErrWriterDied says that the process which has the role of the writer has died, and that all
	// its messages have been read; see [Options.EndWithWriter].
	ErrWriterDied = cast.ErrWriterDied
)

// An ExpelledError is an [ErrExpelled], and an [ErrLapped].
type ExpelledError struct {
	Unread uint64 // how many messages the reader had not read when it found out
}

// Error says how many messages were not read.
func (e *ExpelledError) Error() string {
	return fmt.Sprintf("%v: %d messages were not read: subscribe again", ErrExpelled, e.Unread)
}

// Is makes [errors.Is] find [ErrExpelled] and [ErrLapped].
func (e *ExpelledError) Is(target error) bool { return target == ErrExpelled || target == ErrLapped }

// A ReaderInfo says how far one reader of a broadcast has come.
type ReaderInfo struct {
	Process  shmsync.Process // that has subscribed
	Lag      uint64          // how many messages it has not read
	Expelled bool            // no put waits for it any longer
}

// A broadcaster is what the handles of all broadcasts that wait have in common.
type broadcaster struct {
	object
	r       *cast.Ring // immutable once bound; nil: the broadcast overwrites
	seen    *cast.Ring // for looks; r, unless the process only reads
	policy  wait.Policy
	endDead bool // Options.EndWithWriter

	mu      sync.Mutex
	readers map[*cast.Reader]struct{} // that were subscribed by this handle
}

// view points the handle at an object with values of that size, or of any length.
func (b *broadcaster) view(o *segment.Object, size int) error {
	view := func(o *segment.Object) (*cast.Ring, error) { return cast.View(o, size) }
	r, seen, err := viewsOf(o, view, (*cast.Ring).Busy)
	if err != nil {
		return err
	}
	b.o, b.r, b.seen = o, r, seen
	return nil
}

// findBroadcast makes or finds a broadcast, and binds h, whose broadcaster b is.
func findBroadcast[H binder](h H, b *broadcaster, seg *shm.Segment, spec segment.Spec, size, asked int, capacity uint64, o Options) (H, error) {
	want := o.traits()
	spec.Size = cast.Layout(size, want.Readers).Size(capacity, 0)
	spec.Init = func(mem []byte) { cast.Init(mem, size, capacity, o.start, want) }
	found, err := find(h, seg, spec)
	if m := new(shm.MismatchError); errors.As(err, &m) && m.SizeDiffers {
		var e error
		if found, e = open(h, seg, spec); e == nil {
			err = nil // to say in what it differs
		}
	}
	if err != nil {
		return found, err
	}
	if difference := b.differs(want, asked, capacity); difference != "" {
		b.Detach()
		var none H
		return none, fmt.Errorf("queue: %w", &shm.MismatchError{Segment: segment.Of(seg).Path(), Name: spec.Name, Difference: difference})
	}
	return found, nil
}

// differs says what of the broadcast is not what was asked for, or "".
func (b *broadcaster) differs(want cast.Traits, asked int, capacity uint64) string {
	have := b.r.Traits()
	switch {
	case b.r.Capacity() != capacity && capacity != uint64(asked):
		return fmt.Sprintf("its capacity is %d, not %d (%d rounded up to a power of two)", b.r.Capacity(), capacity, asked)
	case b.r.Capacity() != capacity:
		return fmt.Sprintf("its capacity is %d, not %d", b.r.Capacity(), capacity)
	case have.Full != want.Full:
		return fmt.Sprintf("its WhenFull is %v, not %v", WhenFull(have.Full), WhenFull(want.Full))
	case have.Many != want.Many:
		return fmt.Sprintf("it is made for many writers: %t, not %t", have.Many, want.Many)
	case have.Readers != want.Readers:
		return fmt.Sprintf("it has room for %d readers, not %d", have.Readers, want.Readers)
	case have.Patience != want.Patience:
		return fmt.Sprintf("its patience is %v, not %v", have.Patience, want.Patience)
	case have.Keep != want.Keep:
		return fmt.Sprintf("it keeps %d, not %d", have.Keep, want.Keep)
	}
	return ""
}

// Detach ends the use of the object by this handle, as that of all objects does, and closes the
// readers that were subscribed by it.
func (b *broadcaster) Detach() error {
	b.mu.Lock()
	for c := range b.readers {
		c.Close()
	}
	b.readers = nil
	b.mu.Unlock()
	return b.object.Detach()
}

func (b *broadcaster) subscribe(from Start) (*cast.Reader, error) {
	if from != FromNewest && from != FromOldest {
		return nil, segment.Invalid("queue: %q: there is no %v", b.Name(), from)
	}
	c, err := b.r.Subscribe(cast.Join{Policy: b.policy, Oldest: from == FromOldest, EndDead: b.endDead})
	if err == ErrTooManyReaders {
		err = fmt.Errorf("queue: %v: %w: it has room for %d", b, err, b.r.Traits().Readers)
	}
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers == nil {
		b.readers = make(map[*cast.Reader]struct{})
	}
	b.readers[c] = struct{}{}
	runtime.KeepAlive(b)
	return c, nil
}

// A leaving reader closes itself when the garbage collector finds that the program has lost it. It
// keeps the handle in use until then.
type leaving struct {
	b *broadcaster
	c *cast.Reader
}

func (l leaving) close() {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if _, ok := l.b.readers[l.c]; ok { // else Detach has closed it
		l.c.Close()
		delete(l.b.readers, l.c)
	}
}

// closeWith has a reader of the program closed when it is lost.
func closeWith[R any](reader *R, l leaving) *R {
	runtime.AddCleanup(reader, leaving.close, l)
	return reader
}

// lateForReaders is late for a put that has failed: c says which reader was in its way.
func (b *broadcaster) lateForReaders(ctx context.Context, err error, c *cast.Claim) error {
	if err == ring.ErrDropped || ctx.Err() == nil {
		return err
	}
	what := "its turn to write"
	if c.Slow != ring.Nobody {
		what = fmt.Sprintf("room: the slowest reader has not read %d messages", c.Lag)
	}
	return b.late(ctx, err, what, c.Slow, "has that reader")
}

// ended is the error of a reader for a failure of its Get.
func (b *broadcaster) ended(ctx context.Context, c *cast.Reader, err error) error {
	switch {
	case err == ErrExpelled:
		return &ExpelledError{Unread: c.Unread()}
	case err == ErrNotHeld && b.o.Closed():
		return b.r.Closer.Err()
	case ctx.Err() == nil:
		return err
	}
	does := "is the writer"
	if b.r.Traits().Many {
		does = "writes"
	}
	return b.lateForMessage(ctx, err, b.r.Owner(), does)
}

func (b *broadcaster) awaitReaders(ctx context.Context, n int) error {
	if most := b.r.Traits().Readers; n > most {
		return segment.Invalid("queue: %v: wait for %d readers: it has room for %d", b, n, most)
	}
	err := b.r.AwaitReaders(ctx, b.policy, n)
	if err != nil {
		err = b.late(ctx, err, fmt.Sprintf("%d readers", n), ring.Nobody, "")
	}
	runtime.KeepAlive(b)
	return err
}

func (b *broadcaster) infos() iter.Seq[ReaderInfo] {
	return func(yield func(ReaderInfo) bool) {
		for s := range b.seen.Subscriptions {
			if b.o.Vanished() {
				break
			}
			info := ReaderInfo{Lag: s.Lag, Expelled: s.Expelled}
			if p, ok := b.o.Seg.Table().Info(s.Owner); ok {
				info.Process = shmsync.Process{PID: p.PID, Program: p.Program, Attached: p.Started}
			}
			if !yield(info) {
				break
			}
		}
		runtime.KeepAlive(b)
	}
}

func (b *broadcaster) close() error {
	err := b.r.Close()
	runtime.KeepAlive(b)
	return err
}

func (b *broadcaster) reopen() error {
	err := b.r.Queue.Reopen(0)
	runtime.KeepAlive(b)
	return err
}

func (b *broadcaster) closed() bool {
	closed := b.seen.Closed() && !b.o.Vanished()
	runtime.KeepAlive(b)
	return closed
}

func (b *broadcaster) stats() Stats {
	r := b.seen
	s := Stats{Abandoned: r.Shared.Abandoned.Load(), Expelled: r.Expelled()}
	s.Dropped, s.Waits = r.Shared.Counters.Dropped.Load(), r.Shared.Counters.Waits.Load()
	s.Put, s.Bytes = r.Counts()
	for info := range r.Subscriptions {
		if !info.Expelled {
			s.Readers++
		}
	}
	if b.o.Vanished() {
		s = Stats{}
	}
	runtime.KeepAlive(b)
	return s
}
