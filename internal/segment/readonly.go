package segment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// A process that only reads maps the file without the right to write. It has no slot, no row of the
// table of waits, no users bits and no lock, and no other process can notice it.
//
// Nothing keeps the memory of a removed object for such a process. So it looks at the state of the
// object's entry after each copy, see [Presence]: the state changes before the memory can be used
// again.
//
// What would write is refused by the object's party: its Closer was closed before it began, and
// says why. Every operation asks the Closer before it writes. What it would lock or claim is memory
// of this process alone besides, see LockMemory and Writable, so that not even a fault of this
// program could write to the mapping.

// OpenReadOnly maps the segment at path for reading.
//
// Errors: [fs.ErrNotExist], [fs.ErrPermission], [ErrFormat].
func OpenReadOnly(path string) (*Segment, error) {
	f, err := mapping.OpenToRead(path)
	if err != nil {
		return nil, unopened(err, path)
	}
	return adoptReadOnly(context.Background(), f, path, true)
}

// OpenFileReadOnly is OpenReadOnly of the segment that f is open on, whatever it is open for. It
// stays the caller's.
func OpenFileReadOnly(f *os.File) (*Segment, error) {
	mine, err := mapping.ReopenToRead(f)
	if err != nil {
		return nil, unreopened(err, f, "read")
	}
	return adoptReadOnly(context.Background(), mine, f.Name(), false)
}

// adoptReadOnly is [adopt] for reading.
func adoptReadOnly(_ context.Context, f *os.File, path string, named bool) (*Segment, error) {
	page := make([]byte, directory.HeaderBytes)
	g, id, real, err := inspectPage(f, page)
	if err == nil && real < needed(directory.HeaderIn(page), g) && mapping.HolesCost(f) {
		err = directory.FormatError("has holes, as after a copy, and to read them would take memory: open it once for writing, which fills them")
	}
	if err == nil {
		var s *Segment
		if s, err = attachReadOnly(f, path, named, g, id); err == nil {
			return s, nil
		}
	}
	f.Close()
	return nil, fmt.Errorf("%s: %w", path, err)
}

// needed is how many bytes of the file are real when it has no holes where it is used.
func needed(h *directory.Header, g directory.Geometry) int64 {
	return int64(g.Entries + min(h.EntriesReal.Load(), g.Heap-g.Entries) + min(h.HeapReal.Load(), g.Size-g.Heap))
}

func attachReadOnly(f *os.File, path string, named bool, g directory.Geometry, id directory.Identity) (*Segment, error) {
	memory, err := mapping.MapReadOnly(f, int(g.Size))
	if err != nil {
		return nil, err
	}
	s := &Segment{path: path, named: named, file: f, fd: f.Fd(), mem: memory.Bytes(), memory: memory, geo: g, id: id, told: make(chan struct{})}
	close(s.told) // it claims nothing
	s.SetPatience(lockPatience, closePatience)
	s.objects.init()
	s.table = proctab.New(g.TableIn(s.mem), f, int64(g.Table), memory)
	s.dir.Init(path, s.mem, g, nil, s.table, mayHaveParts)
	s.party = &lock.Party{Member: s.table.Observer(), Closer: wait.NewRefusal(s.refused()), Keep: &anchor{memory}}
	s.party.Waits = lock.LookAtWaits(s.party, g.BoardIn(s.mem), s.exclusiveHolder)
	register(s)
	return s, nil
}

// ReadOnly reports whether this process only reads the segment.
func (s *Segment) ReadOnly() bool { return s.lock == nil }

// leaveUnnoticed ends a Close of a process that only reads.
func (s *Segment) leaveUnnoticed() error {
	unregister(s)
	s.detached.Store(true)
	if err := s.blankHeap(); err != nil {
		return &StillAttachedError{Segment: s.path, Err: errors.Join(err, s.file.Close())}
	}
	err := errors.Join(s.memory.Blank(0, int(s.geo.Heap), nil), s.file.Close())
	runtime.AddCleanup(s.party.Keep.(*anchor), func(m *mapping.Memory) { m.Unmap() }, s.memory)
	return err
}

// A ReadOnlyError is an [fs.ErrPermission]: a process would change what it has open for reading
// only.
type ReadOnlyError struct {
	kind    Kind // 0: it is about the segment
	name    string
	segment string
}

func (e *ReadOnlyError) Error() string {
	if e.kind == 0 {
		return e.segment + ": is open for reading only: to change it, open it with shm.Open"
	}
	return fmt.Sprintf("%v %q of %s: is open for reading only: to change it, open the segment with shm.Open", e.kind, e.name, e.segment)
}

// Unwrap makes [errors.Is] find [fs.ErrPermission].
func (e *ReadOnlyError) Unwrap() error { return fs.ErrPermission }

// refused is the error of all that would write to the segment.
func (s *Segment) refused() error {
	return &ReadOnlyError{segment: s.path}
}

// Refused is the error of all that would write to the object.
func (o *Object) Refused() *ReadOnlyError {
	return &ReadOnlyError{o.Kind, o.Name, o.Seg.path}
}

// look is the view of the object at entry i for a process that only reads; nil when the object is
// not there any more.
func (s *Segment) look(i uint32, state uint64) (*Object, error) {
	o, err := s.view(i, state>>directory.SerialShift)
	if s.dir.Entry(i).State.Load() != state {
		return nil, nil // what was read there may be another object's
	}
	if err != nil {
		return nil, err
	}
	o.there = Presence{&s.dir.Entry(i).State, state}
	o.readOnly = true
	o.party.Closer = wait.NewRefusal(o.Refused())
	return o, nil
}

// A Presence tells whether an object is there for this process: until the process leaves it, or,
// when it only reads, until the object is removed. Asked after a copy, behind a load fence, it says
// that what was copied was the object's.
//
// SYNC: presence: a process that removes an object changes the state of its entry before the memory
// can be used again.
type Presence struct {
	word *atomic.Uint64
	want uint64 // of word, as long as the object is there
}

// Over reports whether the object is not there any more.
func (p *Presence) Over() bool { return p.word.Load() != p.want }

// Vanished reports, after loads of a process that only reads, that the object was removed: what was
// loaded may be another's.
func (p *Presence) Vanished() bool {
	cpu.LoadFence() // the object was read before it is asked whether it is still there
	return p.Over()
}

// Presence tells whether the object is there for this process.
func (o *Object) Presence() Presence { return o.there }

// errGone says that the object of a handle was removed.
var errGone = fmt.Errorf("%w, and a process that only reads keeps nothing of it: open what has its name now", ErrRemoved)

// Gone is why the object is not there any more: [lock.ErrClosed], or, for a process that only
// reads, [ErrRemoved].
func (o *Object) Gone() error {
	if o.ReadOnly() && !o.closer.Closed() && !o.Seg.Closed() {
		return errGone
	}
	return lock.ErrClosed
}

// ReadOnly reports whether this process only reads the object.
func (o *Object) ReadOnly() bool { return o.readOnly }

// A Watch is of an object that this process only reads. It is the error with which a method panics
// that would change the object and has no error to return.
type Watch struct {
	Presence
	ReadOnlyError
}

// Watched is for an object that this process only reads, and else nil: what others remove stays as
// it is as long as this process has it open.
func (o *Object) Watched() *Watch {
	if o.ReadOnly() {
		return &Watch{o.there, *o.Refused()}
	}
	return nil
}

// Vanished is that of the object's presence for a process that only reads, and else false.
func (o *Object) Vanished() bool { return o.readOnly && o.there.Vanished() }

// Closer is closed when this process leaves the object. That of the party is closed from the
// beginning where the process only reads.
func (o *Object) Closer() *wait.Closer { return o.closer }

// LockMemory is where the lock in mem, a part of the object, lies for this process. One that only
// reads has memory of its own, for a lock that it never takes.
func (o *Object) LockMemory(mem []byte) []byte {
	if o.ReadOnly() {
		return make([]byte, len(mem))
	}
	return mem
}

// Writable is the object for what changes it. For a process that only reads it is memory of its
// own, which begins as the object does, and whose Closer refuses.
func (o *Object) Writable() *Object {
	if !o.ReadOnly() {
		return o
	}
	o.standIn.Do(func() { o.shadow = o.scratched(o.party.Closer) })
	return o.shadow
}

// Nap waits until ready reports true. It looks from time to time: a process that only reads can ask
// no other to wake it, and may not sleep where it would take what was meant to wake another.
//
// Errors: those of Gone, the context's error.
func (o *Object) Nap(ctx context.Context, ready func() bool) error {
	for pause := firstNap; ; pause = min(2*pause, longestNap) {
		switch {
		case o.Closed():
			return o.Gone()
		case ready():
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		select {
		case <-ctx.Done():
		case <-o.closer.Done():
		case <-time.After(pause):
		}
	}
}

const (
	firstNap   = 500 * time.Microsecond
	longestNap = 16 * time.Millisecond
)

// outrunRounds is how often a reader that writers outrun tries, each time as often as a reader that
// may write would try before it takes the lock.
const outrunRounds = 1024

// Rounds is how often a reader that writers outrun tries, and lets them get on: n times if it may
// keep them out for once.
func (o *Object) Rounds(n int) int {
	if o.ReadOnly() {
		return outrunRounds
	}
	return n
}

// AwaitTurn ends a round of tries of a reader that cannot keep writers out: it lets a moment pass.
// Round counts them, from 0.
//
// Errors: [lock.ErrLocked] at the last round; those of Gone; the context's error.
func (o *Object) AwaitTurn(ctx context.Context, round int) error {
	switch {
	case o.Closed():
		return o.Gone()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case round >= outrunRounds-1:
		return fmt.Errorf("writers change it faster than it can be read, and a process that only reads cannot keep them out: %w", lock.ErrLocked)
	case round < yieldRounds:
		runtime.Gosched()
	default:
		time.Sleep(turnPause) // no writer tells of its end
	}
	return nil
}

const (
	yieldRounds = 16
	turnPause   = 20 * time.Microsecond
)
