package segment

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/public"
)

var (
	// ErrFormat says that a file is not a segment that this program can use.
	ErrFormat = directory.ErrFormat

	// ErrCorrupt says that bytes in a mapped segment make no sense: some
	// process has overwritten them.
	ErrCorrupt = directory.ErrCorrupt

	// ErrRemoved says that a segment's file has no name any more, or an object none, so that others
	// cannot find it.
	ErrRemoved = errors.New("was removed")

	// ErrMismatch says that an object has another kind, type or size than was asked for.
	ErrMismatch = errors.New("the object is of another type")

	// ErrTooManyObjects says that the directory is full.
	ErrTooManyObjects = directory.ErrTooManyObjects
)

// Invalid describes an argument that can never be right: an [fs.ErrInvalid].
func Invalid(format string, args ...any) error { return directory.Invalid(format, args...) }

// errNil is the error of a call for a nil segment. See Of.
var errNil = Invalid("the segment of an object must not be nil")

// A MismatchError says how an object differs from what was asked for.
type MismatchError struct {
	Segment, Name string
	Difference    string // what is there and what was asked for
	SizeDiffers   bool   // only the payload's size differs
	Have          int64  // the payload's size in bytes, when only that differs; else 0
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s: object %q: %s: use another name, or open it as what it is", e.Segment, e.Name, e.Difference)
}

// Unwrap makes [errors.Is] find [ErrMismatch].
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// As lets [errors.As] find the type that users know e by.
func (e *MismatchError) As(target any) bool { return public.As(e, target) }

// Is reports whether target is e, as As has found it.
func (e *MismatchError) Is(target error) bool { return public.Is(e, target) }

func (s *Segment) notFound(name string) error {
	return s.dir.Concluded(directory.Described(fmt.Sprintf("%s: there is no object %q: check the name, or make it", s.path, name), fs.ErrNotExist))
}
