package queue

import (
	"fmt"
	"math/bits"
	"net"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/ring/stream"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A Pipe is one end of a pair of byte streams between two processes, or within one: what is written at one end is read
// at the other, in order, both ways. It is a [net.Conn].
//
// A pipe has two ends. [NewPipe] takes the first and [OpenPipe] the second. An end belongs to the process
// that took it, for good: when that process dies nobody can take its place, as nobody knows how far it had come with what
// it had read.
//
// All methods may be called by any number of goroutines. What a Write has written is not mixed with another one's.
// Reads share what comes among them.
//
// A Pipe must be closed, which wakes the other end, and gives the memory back once both have been closed and the name
// was removed. It must not be copied.
//
// A Write synchronizes before the return of the Read that takes its last byte, in any process.
type Pipe struct {
	_      noCopy
	p      *pipe // immutable once bound
	end    int   // which end it is; immutable
	in     *stream.Stream
	out    *stream.Stream
	policy shmsync.WaitPolicy
	local  net.Addr
	remote net.Addr
	ended  func() // called when nothing touches the shared memory any more; may be nil

	rd, wr pipeSide

	ctl    sync.Mutex   // guards closing, and the setting of deadlines; whoever has it may touch shared memory until closed
	closed bool         // Close was called; guarded by ctl
	users  atomic.Int32 // of rd, wr and Close: how many have not let go of the shared memory
}

// PipeOptions say how a pipe is made and how one end waits. The zero value is good.
type PipeOptions struct {
	// Buffer is how many bytes can be under way in each direction, rounded up to a power of two; 0 means 64 KiB. It
	// does not matter for a pipe that exists.
	Buffer int

	// Wait says how this end's Read and Write wait.
	Wait shmsync.WaitPolicy

	start uint64 // first position of a new pipe
}

const (
	defaultPipeBuffer = 64 << 10
	minPipeBuffer     = 64
	maxPipeBuffer     = 1 << 30
)

// capacity is the size of a ring in bytes.
func (o PipeOptions) capacity(name string) (uint64, error) {
	switch n := o.Buffer; {
	case n == 0:
		return defaultPipeBuffer, nil
	case n < 0 || n > maxPipeBuffer:
		return 0, fmt.Errorf("queue: %w", segment.Invalid("pipe %q: a buffer of %d bytes: must be from 1 to %d", name, n, maxPipeBuffer))
	case n < minPipeBuffer:
		return minPipeBuffer, nil
	default:
		return 1 << bits.Len64(uint64(n-1)), nil
	}
}

// NewPipe finds the pipe of that name in the segment, or makes it, and takes its first end. What is written
// before the other end is taken waits for it there.
//
// Errors: [ErrRoleTaken] when somebody has, or had, that end; [shm.ErrMismatch] when the name belongs to another kind
// of object, a [*shm.NoSpaceError], [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed];
// [io/fs.ErrInvalid] for a bad name or size.
func NewPipe(seg *shm.Segment, name string, o PipeOptions) (*Pipe, error) {
	capacity, err := o.capacity(name)
	if err != nil {
		return nil, err
	}
	return newEnd(0, o, func() (*segment.Object, error) {
		s := segment.Of(seg)
		spec := segment.Spec{
			Name: name, Kind: segment.KindPipe, Size: int64(pipeHeadBytes + 2*capacity),
			Init: func(mem []byte) { fillPipe(mem, capacity, o.start) },
		}
		obj, err := s.OpenContext(seg.Context(), segment.Spec{Name: name, Kind: segment.KindPipe, Size: segment.AnySize})
		if isMissing(err) {
			obj, _, err = s.NewContext(seg.Context(), spec)
		}
		return obj, err
	})
}

// OpenPipe finds the pipe of that name, which must exist, and takes its second end.
//
// Errors: [io/fs.ErrNotExist]; [ErrRoleTaken] when somebody has, or had, that end; [shm.ErrMismatch], [shm.ErrCorrupt],
// [shm.ErrClosed].
func OpenPipe(seg *shm.Segment, name string, o PipeOptions) (*Pipe, error) {
	return newEnd(1, o, func() (*segment.Object, error) {
		return segment.Of(seg).OpenContext(seg.Context(), segment.Spec{Name: name, Kind: segment.KindPipe, Size: segment.AnySize})
	})
}

func newEnd(end int, o PipeOptions, find func() (*segment.Object, error)) (*Pipe, error) {
	c := &Pipe{policy: o.Wait}
	if err := takeEnd(c, end, find); err != nil {
		return nil, err
	}
	return c, nil
}

// PipePair makes a pipe in a segment of its own, without a name, and returns both ends, for this process. The segment goes
// when both are closed. For another process make a pipe by [NewPipe] and pass on what its MarshalBinary writes.
//
// Errors: a [*shm.NoSpaceError], [io/fs.ErrInvalid], [shm.ErrUnsupported].
func PipePair(o PipeOptions) (first, second *Pipe, err error) {
	capacity, err := o.capacity("pair")
	if err != nil {
		return nil, nil, err
	}
	seg, err := shm.Anonymous(shm.Options{Size: pairOverhead + 2*int64(capacity), Objects: 64, Processes: 64})
	if err != nil {
		return nil, nil, fmt.Errorf("queue: %w", err)
	}
	if first, err = NewPipe(seg, "pair", o); err == nil {
		second, err = OpenPipe(seg, "pair", o)
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

var _ net.Conn = (*Pipe)(nil)
