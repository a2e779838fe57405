package child

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// BindGroup has the kernel end the group of the calling process with SIGKILL when this process has
// ended, in whatever way, also when no other process is left to do it. It does nothing in a process
// that does not lead its group. The caller calls it once.
//
// Each end of a connection announces by that signal that the other one was closed. The end of a
// process closes both, one after the other. A program that is just being started has copies of
// both, until it runs, and is ended then. So is one that replaces this program in its process, by
// execve.
//
// Errors: what the system refuses. Then the parent alone can end the group.
func BindGroup() error {
	if unix.Getpgrp() != os.Getpid() {
		return nil
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	// Both stay open, also after an error: closing one may be announced by the other.
	return errors.Join(announceToGroup(ends[0]), announceToGroup(ends[1]))
}

// announceToGroup has the kernel send SIGKILL to the group of this process when the other end of fd
// is closed.
func announceToGroup(fd int) error {
	for _, set := range []struct{ command, value int }{
		{unix.F_SETOWN, -os.Getpid()}, {unix.F_SETSIG, int(unix.SIGKILL)}, {unix.F_SETFL, unix.O_ASYNC},
	} {
		if _, err := unix.FcntlInt(uintptr(fd), set.command, set.value); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
	}
	return nil
}
