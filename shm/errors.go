package shm

import (
	"reflect"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/public"
	"github.com/shmkit/shmkit/internal/segment"
)

var (
	// ErrClosed says that this process has closed the segment. It is an [os.ErrClosed].
	ErrClosed = lock.ErrClosed

	// ErrFormat says that a file is not a segment that this program can use, or that an object has
	// been made by another version of this module, with another layout of its kind.
	ErrFormat = segment.ErrFormat

	// ErrMismatch says that an object is of another kind, type or size. It comes as a
	// [*MismatchError].
	ErrMismatch = segment.ErrMismatch

	// ErrRemoved says that others cannot find the segment or object any more.
	ErrRemoved = segment.ErrRemoved

	// ErrCorrupt says that bytes of the segment make no sense: some process has overwritten them.
	ErrCorrupt = segment.ErrCorrupt

	// ErrTooManyProcesses says that the process table of the segment is full.
	ErrTooManyProcesses = proctab.ErrTooManyProcesses

	// ErrTooManyObjects says that the directory of the segment is full.
	ErrTooManyObjects = segment.ErrTooManyObjects

	// ErrTakenForDead says that the other processes have taken this one for dead, as they do when
	// it was ended by a checkpoint and is restored (CRIU), or when some process has overwritten its
	// place in the process table. It gets no lock any more: it has to close the segment, and open
	// it anew.
	ErrTakenForDead = lock.ErrTakenForDead

	// ErrCopyOnWrite says that the file system of a segment copies on write, also what is reserved:
	// when it is full, a store into the segment would crash the process.
	ErrCopyOnWrite = mapping.ErrCopyOnWrite

	// ErrUnsupported says that the toolkit does not run on this operating system.
	ErrUnsupported = mapping.ErrUnsupported
)

// A MismatchError is an [ErrMismatch] that says what differs.
type MismatchError struct {
	Segment, Name string // of the object
	Difference    string // what is there and what was asked for
	SizeDiffers   bool   // only the size differs
	Have          int64  // the size in bytes that is there, when only that differs; else 0
}

// Error names the object and the difference.
func (e *MismatchError) Error() string { return (*segment.MismatchError)(e).Error() }

// Unwrap makes [errors.Is] find [ErrMismatch].
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// A NoSpaceError says how many bytes were needed and how many are free: in the segment, in the
// control group of the process, or in the file system. Each has another remedy, which Error tells.
type NoSpaceError struct {
	Path    string // of the segment's file, or what an anonymous segment is called
	Need    int64  // bytes that were to be reserved
	Free    int64  // bytes that are left; -1 when that is unknown
	Segment bool   // the segment is full
	Group   string // the directory of the control group that has too little memory left; else empty
}

// Error says what is full, and what to do.
func (e *NoSpaceError) Error() string { return (*mapping.NoSpaceError)(e).Error() }

// A HeldError says which locks a process held when it closed a segment or detached a handle.
type HeldError struct {
	Segment string   // its path
	Objects []string // the names of the locked objects
	Kept    bool     // the process goes on holding the locks, until it ends or unlocks them
}

// Error names the objects, and says what becomes of their locks.
func (e *HeldError) Error() string { return (*segment.HeldError)(e).Error() }

// A StillAttachedError says that a process has closed a segment, and could not let go of its
// memory.
type StillAttachedError struct {
	Segment string // its path
	Err     error  // why the mapping could not be replaced
}

// Error says why, and when the memory is let go of.
func (e *StillAttachedError) Error() string { return (*segment.StillAttachedError)(e).Error() }

// Unwrap returns why the mapping could not be replaced.
func (e *StillAttachedError) Unwrap() error { return e.Err }

// An UnsupportedTypeError says which field of a Go type cannot be in shared memory, and why.
type UnsupportedTypeError struct {
	Type   reflect.Type // the type that is refused: that of the field, when a field is
	Path   string       // where it is: "Point.Name", with [] for the element of an array
	Reason string       // why, and what to use instead; follows the name of the type in a sentence
}

// Error gives "Point.Name: string has no fixed size; use …".
func (e *UnsupportedTypeError) Error() string { return (*elem.UnsupportedTypeError)(e).Error() }

// The errors above come from packages below this one. See package public.
func init() {
	public.Present(func(e *segment.MismatchError) *MismatchError { return (*MismatchError)(e) })
	public.Present(func(e *mapping.NoSpaceError) *NoSpaceError { return (*NoSpaceError)(e) })
	public.Present(func(e *segment.HeldError) *HeldError { return (*HeldError)(e) })
	public.Present(func(e *segment.StillAttachedError) *StillAttachedError { return (*StillAttachedError)(e) })
	public.Present(func(e *elem.UnsupportedTypeError) *UnsupportedTypeError { return (*UnsupportedTypeError)(e) })
}
