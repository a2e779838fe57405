package segment

import (
	"errors"
	"fmt"
	"io/fs"
)

var (
	// ErrFormat says that a file is not a segment that this program can use.
	ErrFormat = errors.New("not a usable segment")

	// ErrCorrupt says that bytes in a mapped segment make no sense: some
	// process has overwritten them.
	ErrCorrupt = errors.New("the segment is corrupt")

	// ErrRemoved says that the segment's file has no name any more, so that others cannot find it.
	ErrRemoved = errors.New("the segment was removed")

	// ErrMismatch says that an object has another kind, type or size than was asked for.
	ErrMismatch = errors.New("the object is of another type")

	// ErrTooManyObjects says that the directory is full.
	ErrTooManyObjects = errors.New("too many objects")
)

// formatError says what a file is, so that it reads on after its path.
func formatError(format string, args ...any) error {
	return &describedError{fmt.Sprintf(format, args...), ErrFormat}
}

// A describedError is a text of its own that is known by a sentinel.
type describedError struct {
	text string
	is   error
}

func (e *describedError) Error() string { return e.text }
func (e *describedError) Unwrap() error { return e.is }

// A MismatchError says how an object differs from what was asked for.
type MismatchError struct {
	Segment, Name string
	Difference    string // what is there and what was asked for
	Have          int64  // the payload's size in bytes, when that is all that differs; else 0
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s: object %q: %s: use another name, or open it as what it is", e.Segment, e.Name, e.Difference)
}

// Unwrap makes [errors.Is] find [ErrMismatch].
func (e *MismatchError) Unwrap() error { return ErrMismatch }

func (s *Segment) corrupt(what string) error {
	return fmt.Errorf("%s: %w: %s: remove it and make it anew", s.path, ErrCorrupt, what)
}

func (s *Segment) notFound(name string) error {
	return fmt.Errorf("%s: object %q: %w", s.path, name, fs.ErrNotExist)
}
