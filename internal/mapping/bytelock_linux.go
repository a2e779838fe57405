package mapping

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Byte locks are open-file-description locks: they belong to the descriptor, work
// between PID namespaces, and end when the process ends, however it ends.

func byteLock(off int64, kind int16) *unix.Flock_t {
	return &unix.Flock_t{Type: kind, Whence: 0, Start: off, Len: 1}
}

func setLock(f *os.File, command int, l *unix.Flock_t) error {
	return control(f, func(fd int) error { return unix.FcntlFlock(uintptr(fd), command, l) })
}

// TryLockByte locks one byte of f for writing and reports whether it could.
//
// Errors: the system refuses such locks. EACCES is one of them: Linux says EAGAIN of a lock that
// another process has.
func TryLockByte(f *os.File, off int64) (bool, error) {
	err := setLock(f, unix.F_OFD_SETLK, byteLock(off, unix.F_WRLCK))
	if errors.Is(err, unix.EAGAIN) {
		return false, nil
	}
	return err == nil, lockError(f, err)
}

// LockByte locks one byte of f for writing and waits until it can.
func LockByte(f *os.File, off int64) error {
	for {
		err := setLock(f, unix.F_OFD_SETLKW, byteLock(off, unix.F_WRLCK))
		if !errors.Is(err, unix.EINTR) {
			return lockError(f, err)
		}
	}
}

// UnlockByte ends the lock on one byte of f.
func UnlockByte(f *os.File, off int64) error {
	return lockError(f, setLock(f, unix.F_OFD_SETLK, byteLock(off, unix.F_UNLCK)))
}

// ByteLocked reports whether another descriptor than f holds a lock on the byte.
func ByteLocked(f *os.File, off int64) (bool, error) {
	l := byteLock(off, unix.F_WRLCK)
	if err := setLock(f, unix.F_OFD_GETLK, l); err != nil {
		return false, lockError(f, err)
	}
	return l.Type != unix.F_UNLCK, nil
}

func lockError(f *os.File, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "lock a byte of", Path: f.Name(), Err: err}
}
