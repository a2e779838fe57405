package mapping

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Reserve reserves space for the bytes [off, off+n) of f, so that touching them cannot fail later.
// No process may use these bytes yet.
//
// Errors: a [*NoSpaceError] when the file system is full, or the control group of this process.
func Reserve(f *os.File, off, n int64) error {
	if err := groupLacks(f, n); err != nil {
		return err
	}
	err := allocate(f, off, n)
	if err != nil && !isFull(err) && !errors.Is(err, unix.EFBIG) && !errors.Is(err, fs.ErrClosed) {
		return fillHoles(f, off, n) // whatever the reason why fallocate is refused
	}
	return reserveError(f, n, err)
}

// Refill is [Reserve] for bytes that others may be using: what is there stays. It
// does nothing where the file system has no way to do that.
func Refill(f *os.File, off, n int64) error {
	if err := allocate(f, off, n); isFull(err) {
		return reserveError(f, n, err)
	}
	return nil
}

// isFull reports whether there is no space for more.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOMEM)
}

func reserveError(f *os.File, n int64, err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return &NoSpaceError{Path: f.Name(), Need: n, Free: free(f)}
	}
	return &fs.PathError{Op: "reserve space in", Path: f.Name(), Err: err}
}

// allocate makes bytes real. A signal makes tmpfs undo the whole call, so that a process which gets
// one every few milliseconds, as under a profiler, would never finish a large one: an interrupted
// call is repeated in pieces.
func allocate(f *os.File, off, n int64) error {
	const least = 1 << 20
	for step := n; n > 0; {
		step = min(step, n)
		err := control(f, func(fd int) error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, off, step) })
		switch {
		case err == nil:
			off, n = off+step, n-step
		case errors.Is(err, unix.EINTR):
			step = max(step/2, min(least, step))
		default:
			return err
		}
	}
	return nil
}

// fillHoles reserves space where the file system cannot: it reads a byte of each block and writes
// it back. No process may use the bytes yet.
func fillHoles(f *os.File, off, n int64) error {
	var b [1]byte
	const block = 4096
	for at := off; at < off+n; at += block - at%block {
		if _, err := f.ReadAt(b[:], at); err != nil {
			return err
		}
		if _, err := f.WriteAt(b[:], at); err != nil {
			return reserveError(f, n, err)
		}
	}
	return nil
}

// Holes returns how many of the n bytes at off lie in holes of the file, and stops to count when
// there are more than enough. Space that was reserved and never written may count. It is 0 where
// the system cannot tell.
func Holes(f *os.File, off, n, enough int64) (holes int64) {
	_ = control(f, func(fd int) error {
		for end := off + n; off < end && holes <= enough; {
			hole, err := unix.Seek(fd, off, unix.SEEK_HOLE)
			if err != nil || hole >= end {
				return err
			}
			data, err := unix.Seek(fd, hole, unix.SEEK_DATA)
			if err != nil { // there is none
				data = end
			}
			data = min(data, end)
			holes += data - hole
			off = data
		}
		return nil
	})
	return holes
}

func free(f *os.File) int64 {
	var st unix.Statfs_t
	if err := control(f, func(fd int) error { return unix.Fstatfs(fd, &st) }); err != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize)
}
