package segment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

const (
	// lockPatience is how long an operation on the directory waits for the segment's lock before it
	// says which process has it. A living process holds it for microseconds, or as long as the file
	// system needs to find space.
	lockPatience = 10 * time.Second

	// closePatience is how long Close lets operations in flight finish.
	closePatience = 50 * time.Millisecond
)

// A Segment is this process's attachment to one segment. It may be used by any
// number of goroutines.
type Segment struct {
	path   string // shown in errors, and opened by other processes; immutable
	named  bool   // a name in the file system leads to the file; immutable
	file   *os.File
	fd     uintptr // descriptor of file, for handles; immutable
	mem    []byte
	memory *mapping.Memory // mem; what needs it mapped holds the anchor
	geo    directory.Geometry
	id     directory.Identity
	dir    directory.Directory // what lies in mem

	table *proctab.Table
	party *lock.Party
	lock  *lock.Mutex // guards the directory and the heap; nil: the process only reads

	patience  time.Duration // how long to wait for lock; lockPatience outside of tests
	grace     time.Duration // how long Close waits; closePatience outside of tests
	listening sync.Once     // see listen
	left      atomic.Uint64 // how often this process has cleared its user bit of an entry
	detached  atomic.Bool   // others no longer see what this process writes into objects
	told      chan struct{} // closed when the functions of Object.WhenLeft have run
	looks     looks         // that Close has left

	mu      sync.Mutex // guards objects, and the moment of closing
	objects registry

	later   sync.Mutex
	unfreed []uint64 // blocks of this process to be freed, see FreeSoon; guarded by later

	// An attachment that was made for the sake of a handle ends with its last object.
	auto atomic.Bool // the attachment was made for a handle; written under attachedMu
	pins int         // how many calls are about to open an object; guarded by attachedMu
	way  []byte      // how the handle says to reach an anonymous segment; guarded by attachedMu
}

// An anchor is reachable as long as a handle of the segment is: through the party that all it
// consists of has. When it is not, the memory may be unmapped.
type anchor struct{ memory *mapping.Memory }

// attach makes this process a party of the mapped file. It takes over f when it succeeds.
func attach(ctx context.Context, f *os.File, path string, named bool, g directory.Geometry, id directory.Identity) (*Segment, error) {
	memory, err := mapping.Map(f, int(g.Size))
	if err != nil {
		return nil, err
	}
	s := &Segment{path: path, named: named, file: f, fd: f.Fd(), mem: memory.Bytes(), memory: memory, geo: g, id: id, told: make(chan struct{})}
	s.SetPatience(lockPatience, closePatience)
	s.objects.init()
	s.table = proctab.New(g.TableIn(s.mem), f, int64(g.Table), memory)
	s.table.RecordIncidents(directory.HeaderIn(s.mem).Incidents[:])
	s.dir.Init(path, s.mem, g, f, s.table, mayHaveParts)
	if err = s.beginLife(ctx); err == nil {
		err = s.join(memory)
	}
	if err != nil {
		s.table.CloseLock()
		memory.Unmap()
		return nil, err
	}
	register(s)
	return s, nil
}

func (s *Segment) join(memory *mapping.Memory) error {
	m, crashed, err := s.table.Attach()
	switch {
	case errors.Is(err, proctab.ErrTooManyProcesses):
		return fmt.Errorf("%s: %w: %d of %d slots are taken: end some, or make the segment with room for more",
			s.path, err, s.table.Len(), s.table.Len())
	case err != nil:
		return fmt.Errorf("%s: %w", s.path, err)
	}
	crashpoint.Here("segment.joined")
	s.party = &lock.Party{Member: m, Closer: s.dir.Closer, Keep: &anchor{memory}}
	s.party.Waits = lock.NewWaitTable(s.party, s.geo.BoardIn(s.mem), s.exclusiveHolder)
	s.lock = lock.NewMutex(s.party, directory.LockIn(s.mem), wait.Adaptive)
	s.lock.Target = lock.NewTarget(lock.RoleDirectory, 0, 0)
	if crashed {
		s.dir.Forget(m.ID().Slot())
	}
	return nil
}

// SetPatience says how long an operation waits for a process that is stopped while it has the
// directory locked, and Close for operations in flight. For tests; it comes before all other use.
func (s *Segment) SetPatience(locked, closing time.Duration) { s.patience, s.grace = locked, closing }

// SetLockPatience is [Segment.SetPatience] for the directory alone.
func (s *Segment) SetLockPatience(d time.Duration) { s.patience = d }

// Path is where the segment is, or what it is called when it is anonymous.
func (s *Segment) Path() string { return s.path }

// Identity tells this segment from all others.
func (s *Segment) Identity() directory.Identity { return s.id }

// File is the descriptor of the segment; it stays the segment's.
func (s *Segment) File() *os.File { return s.file }

// Named reports whether others can open the segment by its path.
func (s *Segment) Named() bool { return s.named }

// Party is this process's attachment, for the locks of its objects.
func (s *Segment) Party() *lock.Party { return s.party }

// Table is the table of the attached processes; of a nil segment an empty one.
func (s *Segment) Table() *proctab.Table {
	if s == nil {
		return new(proctab.Table)
	}
	return s.table
}

// Me is the owner id of this attachment; 0 when the process only reads.
func (s *Segment) Me() proctab.Owner { return s.party.Member.ID() }

// Closed reports whether Close was called.
func (s *Segment) Closed() bool { return s.dir.Closer.Closed() }

// Size is the capacity of the segment in bytes, its own bookkeeping included.
func (s *Segment) Size() int64 { return int64(s.geo.Size) }
