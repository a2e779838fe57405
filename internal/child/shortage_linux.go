package child

import (
	"errors"

	"golang.org/x/sys/unix"
)

// IsShortage says that a start failed for want of something that may be there again later:
// descriptors, processes, memory or space.
func IsShortage(err error) bool {
	for _, passing := range []error{unix.EMFILE, unix.ENFILE, unix.EAGAIN, unix.ENOMEM, unix.ENOSPC, unix.ENOBUFS, unix.EINTR} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}
