package shm

import (
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

var (
	// ErrClosed says that this process has closed the segment. It is an [os.ErrClosed].
	ErrClosed = lock.ErrClosed

	// ErrFormat says that a file is not a segment that this program can use.
	ErrFormat = segment.ErrFormat

	// ErrMismatch says that an object is of another kind, type or size. It comes as a [*MismatchError].
	ErrMismatch = segment.ErrMismatch

	// ErrRemoved says that others cannot find the segment or object any more.
	ErrRemoved = segment.ErrRemoved

	// ErrCorrupt says that bytes of the segment make no sense: some process has overwritten them.
	ErrCorrupt = segment.ErrCorrupt

	// ErrTooManyProcesses says that the process table of the segment is full.
	ErrTooManyProcesses = proctab.ErrTooManyProcesses

	// ErrTooManyObjects says that the directory of the segment is full.
	ErrTooManyObjects = segment.ErrTooManyObjects

	// ErrTakenForDead says that the other processes have taken this one for dead, as they do when it was ended by a
	// checkpoint and is restored (CRIU), or when some process has overwritten its place in the process table. It gets
	// no lock any more: it has to close the segment, and open it anew.
	ErrTakenForDead = lock.ErrTakenForDead

	// ErrCopyOnWrite says that the file system of a segment copies on write, also what is reserved: when
	// it is full, a store into the segment would crash the process.
	ErrCopyOnWrite = mapping.ErrCopyOnWrite

	// ErrUnsupported says that this system has no implementation.
	ErrUnsupported = mapping.ErrUnsupported
)

type (
	// A MismatchError is an [ErrMismatch] that says what differs.
	MismatchError = segment.MismatchError

	// A NoSpaceError says how many bytes were needed and how many are free, in the
	// file system or in the segment.
	NoSpaceError = mapping.NoSpaceError

	// A HeldError says which locks a process held when it closed a segment.
	HeldError = segment.HeldError

	// A StillAttachedError says that a process has closed a segment, and could not let go of its memory.
	StillAttachedError = segment.StillAttachedError

	// An UnsupportedTypeError says which field of a Go type cannot be in shared memory, and why.
	UnsupportedTypeError = elem.UnsupportedTypeError
)
