package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/mapping"
)

// CheckNamed returns [ErrRemoved] when the file of a named segment has lost its
// name: what is made in it now, no other process could find.
func (s *Segment) CheckNamed() error {
	if !s.named {
		return nil
	}
	st, err := mapping.Stat(s.file)
	switch {
	case err != nil:
		return s.dir.Concluded(err)
	case st.Links > 0:
		return nil
	}
	return fmt.Errorf("%s: %w (by a program, a cleaner, or the system at the end of a login session): make a new one", s.path, ErrRemoved)
}

// Unlink takes away the segment's name. Processes that are attached go on.
//
// Errors: [fs.ErrNotExist] when the name is gone; then, and when it now leads to
// another file, which stays, also [ErrRemoved]. [lock.ErrClosed].
func (s *Segment) Unlink() error { return s.UnlinkContext(context.Background()) }

// UnlinkContext is [Segment.Unlink] that waits until ctx ends for a process that removes the
// segment.
func (s *Segment) UnlinkContext(ctx context.Context) error {
	if !s.named {
		return nil
	}
	if s.Closed() {
		return s.dir.ClosedError()
	}
	if s.ReadOnly() {
		return s.refused()
	}
	// A process that removes a segment holds this lock of its file. So the name cannot be taken
	// away and given to a new file between the look at it and the removal.
	if err := s.lockByte(ctx, unlinkByte); err != nil {
		return s.dir.Concluded(err)
	}
	defer runtime.KeepAlive(s)
	defer mapping.UnlockByte(s.file, unlinkByte)
	if err := s.CheckNamed(); err != nil {
		if errors.Is(err, ErrRemoved) {
			err = fmt.Errorf("%w: %w", err, fs.ErrNotExist)
		}
		return err
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
		return fmt.Errorf("%s: %w, and another file has its name: open and remove that", s.path, ErrRemoved)
	}
	crashpoint.Here("name.locked")
	err = os.Remove(s.path)
	crashpoint.Here("name.unlinked")
	if err == nil {
		s.announce()
	}
	return err
}

// Remove takes away the name of the segment at path, also of one that is damaged or of another
// version: the file has to begin like a segment. Processes that are attached go on.
//
// Errors: [fs.ErrNotExist], [fs.ErrPermission]; [ErrFormat] for what is no segment, which stays.
func Remove(path string) error { return RemoveContext(context.Background(), path) }

// RemoveContext is [Remove] that waits for other processes until ctx ends: then the name stays.
func RemoveContext(ctx context.Context, path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noSegment(path)
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%s: %w", path, directory.FormatError("is no file, and so no segment: check the path"))
	}
	s, err := OpenContext(ctx, path)
	if err != nil && ctx.Err() != nil {
		return err
	}
	if err != nil { // damaged, full or another user's: there is nothing to look after
		return removeUnusable(path)
	}
	defer s.Close()
	return s.UnlinkContext(ctx)
}

// removeUnusable removes the file at path if it begins like a segment.
func removeUnusable(path string) error {
	f, err := mapping.OpenToRead(path)
	if err != nil {
		return err
	}
	defer f.Close()
	begin := make([]byte, 8)
	n, err := f.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !directory.HasMagic(begin[:n]) {
		return fmt.Errorf("%s: %w", path, directory.FormatError("is not a shmkit segment, and was not removed: check the path"))
	}
	read, err := f.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(path); err != nil || !os.SameFile(read, there) {
		return fmt.Errorf("%s: was replaced while it was being removed: %w", path, errors.Join(err, ErrRemoved))
	}
	return os.Remove(path)
}

func noSegment(path string) error {
	return directory.Described(fmt.Sprintf("%s: there is no segment: check the name, or make one", path), fs.ErrNotExist)
}
