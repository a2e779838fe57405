package mapping

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ShareByte locks one byte of f together with other descriptors that share it, and reports whether
// it could: no other may have it locked for writing. A lock for writing that f has becomes a shared
// one, in one step.
//
// Errors: the system refuses such locks.
func ShareByte(f *os.File, off int64) (bool, error) {
	err := setLock(f, unix.F_OFD_SETLK, byteLock(off, unix.F_RDLCK))
	if errors.Is(err, unix.EAGAIN) {
		return false, nil
	}
	return err == nil, lockError(f, err)
}

// TryLockFile locks all bytes of f for writing, those behind its end, too, and reports whether it
// could: no other descriptor has any lock of the file then.
//
// Errors: the system refuses such locks.
func TryLockFile(f *os.File) (bool, error) {
	err := setLock(f, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) {
		return false, nil
	}
	return err == nil, lockError(f, err)
}
