package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
)

// ErrInUse says that a living process has a segment open, or that it cannot be told whether one
// has.
var ErrInUse = errors.New("a living process has it open")

// RemoveUnused takes away the name of the segment at path, as [Remove], if no living process has it
// open. It asks the system: each attachment holds locks of the file. While it asks, it locks the
// whole file, so that no process can attach; one that tries meanwhile waits, finds then that the
// file has no name, and begins anew.
//
// Errors: [ErrInUse], [fs.ErrNotExist], [fs.ErrPermission]; [ErrFormat] for what is no segment.
//
// What a death leaves behind: a segment with its name, or without.
func RemoveUnused(path string) error { return removeIf(path, unused) }

// RemoveTemporary is RemoveUnused for the file of a creator that has died before it was a segment.
func RemoveTemporary(path string) error { return removeIf(path, func(*os.File) error { return nil }) }

// removeIf removes the file at path if no process has a lock of it, and check finds no fault.
func removeIf(path string, check func(*os.File) error) error {
	f, err := mapping.OpenExisting(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noSegment(path)
	case errors.Is(err, mapping.ErrNotFile):
		return directory.Described(err.Error(), ErrFormat)
	case err != nil:
		return err
	}
	defer f.Close() // and with it the lock
	alone, err := mapping.TryLockFile(f)
	switch {
	case err != nil:
		return fmt.Errorf("%s: it cannot be told whether it is used: %w: %w", path, err, ErrInUse)
	case !alone:
		return fmt.Errorf("%s: %w", path, ErrInUse)
	}
	if err := check(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(path); err != nil || !os.SameFile(mine, there) {
		return noSegment(path) // removed meanwhile, or replaced
	}
	return os.Remove(path)
}

// unused is an error unless f is a segment, of whatever version and condition, in which no process
// lives that has no lock: the system does not let all processes have them.
func unused(f *os.File) error {
	page := make([]byte, directory.HeaderBytes)
	n, err := f.ReadAt(page, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !directory.HasMagic(page[:n]) {
		return directory.FormatError("is not a shmkit segment, and was not removed: check the path")
	}
	st, err := mapping.Stat(f)
	if err != nil {
		return err
	}
	h, err := ReadHeader(page[:n], st.SizeBytes)
	if err != nil || h.Boot != bootID() {
		return nil // no process can have it open that this program knows of
	}
	table := make([]byte, int(h.Slots)*proctab.SlotBytes)
	if _, err := f.ReadAt(table, int64(h.Table)); err != nil {
		return err
	}
	for _, l := range proctab.LookAt(table) {
		if l.Condition == proctab.Attached && !l.HasLock {
			return fmt.Errorf("%v has no lock that would tell whether it lives: %w", l.Info, ErrInUse)
		}
	}
	return nil
}

// stillNamed is an error if the file of s, to which path led, has lost its name: the process that
// took it away may have seen no other that used it.
func (s *Segment) stillNamed() error {
	st, err := mapping.Stat(s.file)
	if err == nil && st.Links == 0 {
		err = noSegment(s.path)
	}
	return err
}
