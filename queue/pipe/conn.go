package pipe

import (
	"fmt"
	"math/bits"
	"net"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/ring/stream"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A Conn is one end of a pipe, a pair of byte streams between two processes, or within one. What is
// written at one end is read at the other, in order, both ways. It is a [net.Conn].
//
// A pipe has two ends. [New] takes the first and [Open] the second. An end belongs to the process
// that took it, for good: no process can take the place of a dead one, as how far that had come
// with what it had read is unknown.
//
// All methods may be called by any number of goroutines. The bytes of one Write are not mixed with
// those of another. Concurrent Reads share what arrives.
//
// A Conn must be closed, which wakes the other end, and gives the memory back once both ends have
// been closed and the name was removed. It must not be copied.
//
// A Write synchronizes before the return of the Read that takes its last byte, in any process.
type Conn struct {
	_      noCopy
	p      *pipe // immutable once bound
	end    int   // which end it is; immutable
	in     *stream.Stream
	out    *stream.Stream
	policy wait.Policy
	local  net.Addr
	remote net.Addr
	ended  func() // called when nothing touches the shared memory any more; may be nil

	rd, wr direction

	// guards closing and deadlines; its holder may touch shared memory until closed
	ctl    sync.Mutex
	closed bool         // Close was called; guarded by ctl
	users  atomic.Int32 // how many of rd, wr and Close still use the shared memory
}

// Options say how a pipe is made and how one end waits. The zero value is good.
type Options struct {
	// Buffer is how many bytes can be under way in each direction, rounded up to a power of two; 0
	// means 64 KiB. It does not matter for a pipe that exists.
	Buffer int

	// Wait says how this end's Read and Write wait.
	Wait shmsync.WaitPolicy

	start uint64 // first position of a new pipe
}

const (
	defaultBuffer = 64 << 10
	minBuffer     = 64
	maxBuffer     = 1 << 30
)

// capacity is the size of a ring in bytes.
func (o Options) capacity(name string) (uint64, error) {
	switch n := o.Buffer; {
	case n == 0:
		return defaultBuffer, nil
	case n < 0 || n > maxBuffer:
		return 0, fmt.Errorf("pipe: %w",
			segment.Invalid("pipe %q: a buffer of %d bytes: must be from 1 to %d", name, n, maxBuffer))
	case n < minBuffer:
		return minBuffer, nil
	default:
		return 1 << bits.Len64(uint64(n-1)), nil
	}
}

// New finds the pipe of that name in the segment, or makes it, and takes its first end. What is
// written before the other end is taken waits for it there.
//
// Errors: [queue.ErrRoleTaken] when a process has, or had, that end; [shm.ErrMismatch] when the
// name belongs to another kind of object, a [*shm.NoSpaceError], [shm.ErrTooManyObjects],
// [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; [io/fs.ErrInvalid] for a bad name or size.
func New(seg *shm.Segment, name string, o Options) (*Conn, error) {
	capacity, err := o.capacity(name)
	if err != nil {
		return nil, err
	}
	return newEnd(0, o, func() (*segment.Object, error) {
		s := segment.Of(seg)
		spec := segment.Spec{
			Name: name, Kind: segment.KindPipe, Size: int64(headBytes + 2*capacity),
			Init: func(mem []byte) { initialize(mem, capacity, o.start) },
		}
		obj, err := s.OpenContext(seg.Context(), existing(name))
		if isMissing(err) {
			obj, _, err = s.NewContext(seg.Context(), spec)
		}
		return obj, err
	})
}

// Open finds the pipe of that name, which must exist, and takes its second end.
//
// Errors: [io/fs.ErrNotExist]; [queue.ErrRoleTaken] when a process has, or had, that end;
// [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func Open(seg *shm.Segment, name string, o Options) (*Conn, error) {
	return newEnd(1, o, func() (*segment.Object, error) {
		return segment.Of(seg).OpenContext(seg.Context(), existing(name))
	})
}

// existing is the Spec of a pipe of any size.
func existing(name string) segment.Spec {
	return segment.Spec{Name: name, Kind: segment.KindPipe, Size: segment.AnySize}
}

func newEnd(end int, o Options, find func() (*segment.Object, error)) (*Conn, error) {
	c := &Conn{policy: wait.Policy(o.Wait)}
	if err := takeEnd(c, end, find); err != nil {
		return nil, err
	}
	return c, nil
}

// Pair makes a pipe in a segment of its own, without a name, and returns both ends, for this
// process. The segment is removed when both are closed. For another process make a pipe by [New]
// and pass on what its MarshalBinary returns.
//
// Errors: a [*shm.NoSpaceError], [io/fs.ErrInvalid], [shm.ErrUnsupported].
func Pair(o Options) (first, second *Conn, err error) {
	capacity, err := o.capacity("pair")
	if err != nil {
		return nil, nil, err
	}
	seg, err := shm.Anonymous(shm.Options{Size: pairOverhead + 2*int64(capacity), Objects: 64, Processes: 64})
	if err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	if first, err = New(seg, "pair", o); err == nil {
		second, err = Open(seg, "pair", o)
	}
	if err != nil {
		seg.Close()
		return nil, nil, err
	}
	var open atomic.Int32
	open.Store(2)
	first.ended = func() {
		if open.Add(-1) == 0 {
			seg.Close()
		}
	}
	second.ended = first.ended
	return first, second, nil
}

// pairOverhead is room for the bookkeeping of the segment of a pair.
const pairOverhead = 1 << 20

// noCopy makes go vet complain about copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

var _ net.Conn = (*Conn)(nil)
