package tasktable

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/shm"
)

// LacksRoom says that there was no room for a block.
func LacksRoom(err error) bool {
	var full *shm.NoSpaceError
	return errors.As(err, &full)
}

// MustWait says that a block cannot be had just now: there is no room, or another process has the
// directory.
func MustWait(err error) bool { return LacksRoom(err) || errors.Is(err, lock.ErrLocked) }

// TooLarge is the error of what can never fit.
func TooLarge(n, limit int) error {
	if int64(n) > 1<<32-1 {
		return fmt.Errorf("%d bytes are too many for one argument or result: at most 4 GiB travel; pass a handle of an Array", n)
	}
	return fmt.Errorf("%d bytes can never fit into the %d bytes of Options.Memory: make that larger, or pass a handle of an Array", n, limit)
}

// Fits says whether n bytes can ever have a block.
func Fits(n, limit int) bool { return n <= limit && int64(n) <= 1<<32-1 }
