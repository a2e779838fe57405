package segment

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/public"
)

// A HeldError says which locks a process still held when it closed a segment.
type HeldError struct {
	Segment string
	Objects []string // their names
	// the locks stay held until the process ends: the system does not let it leave without a trace
	Kept bool
}

func (e *HeldError) Error() string {
	if e.Kept {
		return fmt.Sprintf("%s: closed while this process held %q: nobody gets them before this process ends", e.Segment, e.Objects)
	}
	return fmt.Sprintf("%s: closed while this process held %q: others take it for dead, and whoever locks them next is told so", e.Segment, e.Objects)
}

// As lets [errors.As] find the type that users know e by.
func (e *HeldError) As(target any) bool { return public.As(e, target) }

// Is reports whether target is e, as As has found it.
func (e *HeldError) Is(target error) bool { return public.Is(e, target) }

// A StillAttachedError says that a process has closed a segment, and could not let go of its
// memory.
type StillAttachedError struct {
	Segment string
	Err     error // why the mapping could not be replaced
}

func (e *StillAttachedError) Error() string {
	return fmt.Sprintf("%s: closed, but this process stays attached until no handle of the segment is reachable, "+
		"lest a late write goes into memory of others: %v", e.Segment, e.Err)
}

// Unwrap is why the mapping could not be replaced.
func (e *StillAttachedError) Unwrap() error { return e.Err }

// As lets [errors.As] find the type that users know e by.
func (e *StillAttachedError) As(target any) bool { return public.As(e, target) }

// Is reports whether target is e, as As has found it.
func (e *StillAttachedError) Is(target error) bool { return public.Is(e, target) }

// Close detaches this process: its waiters get [lock.ErrClosed], and so does everything that begins
// later. The file is let go of at once, with its memory if it has no name and no other process has
// it. Where it was mapped lies memory of this process's own until no handle is reachable. In it
// objects of up to 64 KiB, 1 MiB of them at most, keep what they held, and all else reads as zeros;
// what is written there stays here. Close may be called again, then it does nothing.
//
// Errors: a [*HeldError] names the locks that were still held; they count as orphaned, unless it
// says that they are kept. A [*StillAttachedError]: the process has used up its mappings or its
// address space.
func (s *Segment) Close() error {
	s.mu.Lock()
	if s.Closed() {
		s.mu.Unlock()
		return nil
	}
	s.dir.Closer.Close()
	for _, w := range s.objects.open {
		if o := w.Value(); o != nil {
			o.closer.Close()
		}
	}
	s.mu.Unlock()
	if s.ReadOnly() {
		return s.leaveUnnoticed()
	}

	held := s.awaitHeld()
	unregister(s)
	s.detached.Store(true)
	// Goroutines that were not waited for may still write into objects: into one that another
	// process is about to lock, or into memory that is about to be reused. From here on no other
	// process sees that.
	if err := s.blankHeap(); err != nil {
		close(s.told)
		return s.stayAttached(held, err)
	}
	crashpoint.Here("segment.blank")
	s.tellLeft()
	crashpoint.Here("segment.told")
	s.leaveObjects()
	crashpoint.Here("segment.left")
	s.party.Waits.Close()
	s.party.Member.Detach()
	crashpoint.Here("segment.detached")
	s.announce() // the next may be the last
	err := errors.Join(s.memory.Blank(0, int(s.geo.Heap), nil), s.file.Close())
	// Handles reach the anchor. When the last has gone, so may the mapping.
	runtime.AddCleanup(s.party.Keep.(*anchor), func(m *mapping.Memory) { m.Unmap() }, s.memory)
	if len(held) > 0 {
		return errors.Join(&HeldError{Segment: s.path, Objects: held}, err)
	}
	return err
}

// blankHeap replaces the part of the heap that this process may touch by memory of its own, and
// gives back the address space of the rest.
func (s *Segment) blankHeap() error {
	memory := s.memory
	end := max(s.dir.Cut(), s.geo.Heap)
	// an operation on the directory, which has outlasted the wait, goes where it likes
	if s.ReadOnly() || !s.lock.Held() {
		if err := memory.Shrink(int(end)); err != nil {
			return err
		}
	}
	kept := s.small()
	return memory.Blank(int(s.geo.Heap), len(memory.Bytes()), func(fresh []byte, at int) {
		for _, e := range kept {
			from, to := max(e.start, at), min(e.end, at+len(fresh))
			if from < to {
				copy(fresh[from-at:], s.mem[from:to])
			}
		}
	})
}

// What Close keeps the content of, in bytes: flags, counters and the like, which are asked after
// it, too.
const (
	keptObject = 64 << 10 // at most, of one object
	keptInAll  = 1 << 20  // at most, of all
)

// An extent is a stretch of the segment, in bytes from its start.
type extent struct{ start, end int }

// small is where the objects lie that this process has open, and that Close keeps the content of.
func (s *Segment) small() (kept []extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := keptInAll
	for _, w := range s.objects.open {
		o := w.Value()
		if o == nil || len(o.Payload) > keptObject || len(o.Payload) > left {
			continue
		}
		left -= len(o.Payload)
		kept = append(kept, extent{int(o.start), int(o.start) + len(o.Payload)})
	}
	return kept
}

// stayAttached ends a Close after which goroutines that are late could still write to memory that
// all see: no other process may get what this one has open. Locks that are held stay held until
// this process ends; without them, the process leaves the segment when its last handle has gone.
func (s *Segment) stayAttached(held []string, err error) error {
	err = errors.Join(err, s.file.Close())
	if len(held) > 0 {
		return errors.Join(&HeldError{Segment: s.path, Objects: held, Kept: true}, err)
	}
	last := departure{memory: s.memory, member: s.party.Member, bits: s.openBits()}
	runtime.AddCleanup(s.party.Keep.(*anchor), departure.leave, last)
	return &StillAttachedError{Segment: s.path, Err: err}
}

// A departure is what is left to do for a process that could not leave a segment when it closed it.
// It reaches nothing that a handle of the segment needs.
type departure struct {
	memory *mapping.Memory
	member *proctab.Member
	bits   []directory.UserBit // user bits of the objects that the process had open
}

// leave ends the attachment. The process's row of the board is cleared by the next process in its
// slot.
func (d departure) leave() {
	for _, b := range d.bits {
		b.Clear()
	}
	d.member.Detach()
	d.memory.Unmap()
}

// Detached reports whether others no longer see what this process writes into objects. Asked by a
// goroutine that holds an object's lock, it says that Close has given up waiting for it.
func (s *Segment) Detached() bool { return s.detached.Load() }

// awaitHeld gives operations that hold a lock just now the time to finish, and returns the names of
// the objects that are still locked after that. The directory's lock is not given up so soon: no
// code of a user runs under it, and others would see the directory half-changed.
func (s *Segment) awaitHeld() []string {
	s.grantLooks()
	began := time.Now()
	for ; ; time.Sleep(100 * time.Microsecond) { // operations do not tell of their end
		waited := time.Since(began)
		held := s.held()
		if s.lock.Held() {
			if waited < s.patience {
				continue
			}
			held = append(held, "(directory)")
		}
		if len(held) == 0 || waited >= s.grace {
			return held
		}
	}
}
