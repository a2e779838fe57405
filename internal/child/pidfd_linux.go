package child

import (
	"errors"
	"os"
	"syscall"
	"time"

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
		case unix.ECHILD: // another part of the program has waited for it
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

// killGroup sends SIGKILL to the group that the process leads. Unlike the id of a group the pidfd
// cannot come to mean another one, even when the process was waited for. Linux 6.9 is needed.
func (p *pidfd) killGroup() error {
	var failed error
	err := p.raw.Control(func(fd uintptr) {
		failed = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	})
	if err == nil && failed != nil && failed != unix.ESRCH {
		err = os.NewSyscallError("pidfd_send_signal", failed)
	}
	return err
}

// exitTries is how often the kernel is asked for the exit code of a process that is just being
// waited for elsewhere.
const exitTries = 1000

// status is the status of a process that has ended and that any process has waited for. It waits a
// moment for that. Linux 6.15 is needed.
func (p *pidfd) status() (status syscall.WaitStatus, known bool) {
	for range exitTries {
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		var failed error
		err := p.raw.Control(func(fd uintptr) { failed = unix.IoctlPidfdInfo(int(fd), &info) })
		if err != nil || failed != nil {
			return 0, false
		}
		if info.Mask&unix.PIDFD_INFO_EXIT != 0 {
			return syscall.WaitStatus(info.Exit_code), true
		}
		time.Sleep(time.Millisecond) // the kernel tells of it a moment later
	}
	return 0, false
}

func (p *pidfd) close() { p.file.Close() }
