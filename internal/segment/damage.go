package segment

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
)

// formatError says what a file is, so that it reads on after its path.
func formatError(format string, args ...any) error {
	return &describedError{fmt.Sprintf(format, args...), ErrFormat}
}

// Invalid describes an argument that can never be right: an [fs.ErrInvalid].
func Invalid(format string, args ...any) error {
	return &describedError{fmt.Sprintf(format, args...), fs.ErrInvalid}
}

// A describedError is a text of its own that is known by a sentinel.
type describedError struct {
	text string
	is   error
}

func (e *describedError) Error() string { return e.text }
func (e *describedError) Unwrap() error { return e.is }

// concluded is err, which a look at the segment has led to, or [lock.ErrClosed] when this process
// has closed the segment: the look may have met memory of this process's own then, which is empty,
// and says nothing about the segment.
func (d *directory) concluded(err error) error {
	if d.closer.Closed() {
		return d.closed()
	}
	return err
}

func (d *directory) corrupt(what string) error {
	return d.concluded(fmt.Errorf("%s: %w: %s: remove it and make it anew", d.path, ErrCorrupt, what))
}

func (d *directory) closed() error {
	return fmt.Errorf("%s: %w", d.path, lock.ErrClosed)
}

// lacksRoom reports whether an operation failed because something is full.
func lacksRoom(err error) bool {
	var full *mapping.NoSpaceError
	return errors.Is(err, ErrTooManyObjects) || errors.As(err, &full)
}

func nameInNoSpace(err error, path string) error {
	var full *mapping.NoSpaceError
	if errors.As(err, &full) {
		full.Path = path
	}
	return err
}
