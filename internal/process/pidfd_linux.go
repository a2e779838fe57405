package process

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A pidfd is a descriptor of a process.
type pidfd struct {
	file *os.File
	raw  syscall.RawConn
}

// newPidfd takes over a descriptor.
func newPidfd(fd int) (*pidfd, error) {
	if err := unix.SetNonblock(fd, true); err != nil { // or the runtime would not poll it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &pidfd{file: file, raw: raw}, nil
}

func openPidfd(pid int) (*pidfd, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return newPidfd(fd)
}

// wait returns nil when the process has ended, and an error when it cannot wait for that.
func (p *pidfd) wait(ended func(fd int) (bool, error)) error {
	var failed error
	err := p.raw.Read(func(fd uintptr) bool {
		var done bool
		done, failed = ended(int(fd))
		return done || failed != nil
	})
	return errors.Join(failed, err)
}

// childEnded reports whether a child has ended. It leaves the child to be waited for.
func childEnded(fd int) (bool, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PIDFD, fd, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		switch err {
		case nil:
			return info.Signo != 0, nil
		case unix.ECHILD: // somebody else has waited for it
			return true, nil
		case unix.EINTR:
		default:
			return false, os.NewSyscallError("waitid", err)
		}
	}
}

// otherEnded reports whether a process that need not be a child has ended.
func otherEnded(fd int) (bool, error) {
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		switch err {
		case nil:
			return n > 0, nil
		case unix.EINTR:
		default:
			return false, os.NewSyscallError("poll", err)
		}
	}
}

// signal sends a signal to the process. It does nothing when the process was waited for.
func (p *pidfd) signal(sig unix.Signal) error {
	var failed error
	err := p.raw.Control(func(fd uintptr) { failed = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if err == nil && failed != nil && failed != unix.ESRCH {
		err = os.NewSyscallError("pidfd_send_signal", failed)
	}
	return err
}

func (p *pidfd) close() { p.file.Close() }
