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
