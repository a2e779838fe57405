package directory

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
)

var (
	// ErrFormat says that a file is not a segment that this program can use.
	ErrFormat = errors.New("not a usable segment")

	// ErrCorrupt says that bytes in a mapped segment make no sense: some
	// process has overwritten them.
	ErrCorrupt = errors.New("the segment is corrupt")

	// ErrTooManyObjects says that the directory is full.
	ErrTooManyObjects = errors.New("too many objects")
)

// FormatError says what a file is, so that it reads on after its path.
func FormatError(format string, args ...any) error {
	return Described(fmt.Sprintf(format, args...), ErrFormat)
}

// Invalid describes an argument that can never be right: an [fs.ErrInvalid].
func Invalid(format string, args ...any) error {
	return Described(fmt.Sprintf(format, args...), fs.ErrInvalid)
}

// Described is an error with a text of its own that [errors.Is] takes for another one.
func Described(text string, is error) error { return &describedError{text, is} }

type describedError struct {
	text string
	is   error
}

func (e *describedError) Error() string { return e.text }
func (e *describedError) Unwrap() error { return e.is }

// Concluded is err, which a look at the segment has led to, or [lock.ErrClosed] when this process
// has closed the segment: the look may have met memory of this process's own then, which is empty,
// and says nothing about the segment.
func (d *Directory) Concluded(err error) error {
	if d.Closer.Closed() {
		return d.ClosedError()
	}
	return err
}

// Corrupt is an [ErrCorrupt] that says what is wrong, see Concluded.
func (d *Directory) Corrupt(what string) error {
	return d.Concluded(fmt.Errorf("%s: %w: %s: remove it and make it anew", d.path, ErrCorrupt, what))
}

// ClosedError says that this process has closed the segment.
func (d *Directory) ClosedError() error {
	return fmt.Errorf("%s: %w", d.path, lock.ErrClosed)
}

// LacksRoom reports whether an operation failed because something is full.
func LacksRoom(err error) bool {
	var full *mapping.NoSpaceError
	return errors.Is(err, ErrTooManyObjects) || errors.As(err, &full)
}

// NameInNoSpace gives a [*mapping.NoSpaceError] the path of the segment.
func NameInNoSpace(err error, path string) error {
	var full *mapping.NoSpaceError
	if errors.As(err, &full) {
		full.Path = path
	}
	return err
}
