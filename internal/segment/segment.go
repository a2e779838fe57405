package segment

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// An Identity tells segments apart, wherever they are. It is random.
type Identity [16]byte

func (id Identity) String() string { return hex.EncodeToString(id[:]) }

// lockPatience is how long an operation on the directory waits for the segment's
// lock before it says who has it. A living process holds it for microseconds.
const lockPatience = 10 * time.Second

// A Segment is this process's attachment to one segment. It may be used by any
// number of goroutines.
type Segment struct {
	path  string // for people, and for others to open; immutable
	named bool   // a name in the file system leads to the file
	file  *os.File
	mem   []byte
	geo   geometry
	id    Identity

	table *proctab.Table
	party *lock.Party
	lock  *lock.Mutex // guards the directory and the heap

	mu      sync.Mutex // guards objects and closing
	objects registry
}

// attach makes this process a party of the mapped file. It takes over f.
func attach(f *os.File, path string, named bool, g geometry, id Identity) (*Segment, error) {
	memory, err := mapping.Map(f, int(g.size))
	if err != nil {
		return nil, err
	}
	s := &Segment{path: path, named: named, file: f, mem: memory.Bytes(), geo: g, id: id}
	s.objects.init()
	err = s.survivedBoot()
	if err == nil {
		tableBytes := uint64(g.slots) * proctab.SlotBytes
		s.table = proctab.New(s.mem[g.table:g.table+tableBytes], f, int64(g.table), memory)
		err = s.join(memory)
	}
	if err != nil {
		memory.Unmap()
		return nil, err
	}
	enroll(s)
	return s, nil
}

func (s *Segment) join(memory *mapping.Memory) error {
	m, crashed, err := s.table.Attach()
	if err != nil {
		return fmt.Errorf("%s: %w: %d of %d slots are taken: end some, or make the segment with room for more",
			s.path, err, s.table.Len(), s.table.Len())
	}
	s.party = &lock.Party{Member: m, Closer: wait.NewCloser(), Keep: memory}
	s.lock = lock.NewMutex(s.party, s.mem[lockOffset:lockOffset+lock.RegionBytes], wait.Adaptive)
	if crashed {
		s.forget(m.ID().Slot())
	}
	return nil
}

// survivedBoot empties the process table of a file that is older than this boot:
// the processes in it are gone, and no kernel is left that knows it.
func (s *Segment) survivedBoot() error {
	boot := mapping.BootID()
	h := headerIn(s.mem)
	if h.boot == boot {
		return nil
	}
	const bootByte = 128 // of the file: any that is not a slot's
	if err := mapping.LockByte(s.file, bootByte); err != nil {
		return err
	}
	defer mapping.UnlockByte(s.file, bootByte)
	if h.boot != boot {
		tableBytes := uint64(s.geo.slots) * proctab.SlotBytes
		proctab.New(s.mem[s.geo.table:s.geo.table+tableBytes], s.file, int64(s.geo.table), s).Reset()
		h.boot = boot
	}
	return nil
}

// Path is where the segment is, or what it is called when it is anonymous.
func (s *Segment) Path() string { return s.path }

// Identity tells this segment from all others.
func (s *Segment) Identity() Identity { return s.id }

// File is the descriptor of the segment; it stays the segment's.
func (s *Segment) File() *os.File { return s.file }

// Named reports whether others can open the segment by its path.
func (s *Segment) Named() bool { return s.named }

// Party is this process's attachment, for the locks of its objects.
func (s *Segment) Party() *lock.Party { return s.party }

// Table is the table of the attached processes.
func (s *Segment) Table() *proctab.Table { return s.table }

// Me is the owner id of this attachment.
func (s *Segment) Me() proctab.Owner { return s.party.Member.ID() }

// Closed reports whether Close was called.
func (s *Segment) Closed() bool { return s.party.Closer.Closed() }

// Size is the capacity of the segment in bytes, its own bookkeeping included.
func (s *Segment) Size() int64 { return int64(s.geo.size) }

// locked runs f under the segment's lock, after mending what a dead holder left.
func (s *Segment) locked(f func() error) error {
	if s.Closed() {
		return s.closed()
	}
	err := s.lock.TryLock()
	if errors.Is(err, lock.ErrLocked) {
		ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
		defer cancel()
		err = s.lock.Lock(ctx)
	}
	switch {
	case errors.Is(err, lock.ErrOwnerDied):
		if err := s.lock.Repair(s.rebuild); err != nil {
			return err
		}
	case errors.Is(err, context.DeadlineExceeded):
		owner, _ := s.table.Info(s.lock.Owner())
		return fmt.Errorf("%s: the directory has been locked for %v by %v, which seems to be stopped", s.path, lockPatience, owner)
	case errors.Is(err, lock.ErrClosed):
		return s.closed()
	case err != nil:
		return fmt.Errorf("%s: lock the directory: %w", s.path, err)
	}
	defer s.lock.Unlock()
	return f()
}

func (s *Segment) closed() error {
	return fmt.Errorf("%s: %w", s.path, lock.ErrClosed)
}

// CheckNamed returns [ErrRemoved] when the file of a named segment has lost its
// name: what is made in it now, no other process could find.
func (s *Segment) CheckNamed() error {
	if !s.named {
		return nil
	}
	st, err := mapping.Stat(s.file)
	if err != nil || st.Links > 0 {
		return err
	}
	return fmt.Errorf("%s: %w by someone (a cleaner, or the system at the end of a login session): make a new one", s.path, ErrRemoved)
}

// A HeldError says which locks a process still held when it closed a segment.
type HeldError struct {
	Segment string
	Objects []string // their names
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s: closed while this process held %q: whoever locks them next is told that their owner died", e.Segment, e.Objects)
}

// closePatience is how long Close lets operations in flight finish.
const closePatience = 50 * time.Millisecond

// Close detaches this process: its waiters get [lock.ErrClosed], and so does
// everything that begins later. The memory stays mapped for as long as a handle is reachable.
// It may be called again, then it does nothing.
//
// Errors: a [*HeldError] names the locks that were still held; they count as orphaned.
func (s *Segment) Close() error {
	s.mu.Lock()
	if s.Closed() {
		s.mu.Unlock()
		return nil
	}
	s.party.Closer.Close()
	s.mu.Unlock()

	held := s.awaitHeld()
	dismiss(s)
	s.leaveObjects()
	s.party.Member.Detach()
	if memory, ok := s.party.Keep.(*mapping.Memory); ok {
		// Handles reach the memory through the party. When the last has gone, so may the mapping.
		runtime.AddCleanup(s.party, func(m *mapping.Memory) { m.Unmap() }, memory)
	}
	err := s.file.Close()
	if len(held) > 0 {
		return &HeldError{Segment: s.path, Objects: held}
	}
	return err
}

// awaitHeld gives operations that hold a lock just now the time to finish, and
// returns the names of the objects that are still locked after that.
func (s *Segment) awaitHeld() []string {
	for end := time.Now().Add(closePatience); ; time.Sleep(100 * time.Microsecond) {
		held := s.objects.held()
		if s.lock.Held() {
			held = append(held, "(directory)")
		}
		if len(held) == 0 || time.Now().After(end) {
			return held
		}
	}
}

// Unlink takes away the segment's name. Processes that are attached go on.
//
// Errors: [fs.ErrNotExist] when the name is gone; [ErrRemoved] when it now leads to another segment, which stays.
func (s *Segment) Unlink() error {
	if !s.named {
		return nil
	}
	if err := s.CheckNamed(); err != nil {
		return fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	mine, err := s.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(s.path)
	if err != nil {
		return err
	}
	if !os.SameFile(mine, there) {
		return fmt.Errorf("%s: %w: another file has its name", s.path, ErrRemoved)
	}
	return os.Remove(s.path)
}
