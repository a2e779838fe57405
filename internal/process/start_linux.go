package process

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self leads to the program that is running, even when its file was replaced meanwhile.
const self = "/proc/self/exe"

// outputDelay is how long a child's output may stay open after its end: one of its own children may hold on to it.
const outputDelay = time.Second

// A Process is a child that has been started. Its methods may be called by any number of goroutines.
type Process struct {
	cmd   *exec.Cmd
	pidfd *pidfd        // nil where the kernel has none
	done  chan struct{} // closed at the very end; what follows is immutable from then on
	exit  Exit
	usage Usage

	mu     sync.Mutex // guards reaped, and the process id from reuse while it is signalled
	reaped bool
}

// Start starts this program again. The child is waited for in the background.
func Start(spec Spec) (*Process, error) {
	fd := -1
	cmd, err := command(spec)
	if err != nil {
		return nil, err
	}
	defer closeAll(cmd.ExtraFiles)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, PidFD: &fd}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	if fd >= 0 {
		p.pidfd, _ = newPidfd(fd) // without one, a thread waits
	}
	go p.reap()
	return p, nil
}

func command(spec Spec) (*exec.Cmd, error) {
	limits, err := spec.Limits.environment()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	if cmd.Args = spec.Args; cmd.Args == nil {
		cmd.Args = os.Args
	}
	cmd.Env = append(append(os.Environ(), spec.Env...), limits...)
	if cmd.Dir = spec.Dir; spec.Dir != "" {
		if _, err := os.Stat(spec.Dir); err != nil { // the error of exec would name the program
			return nil, err
		}
	}
	cmd.Stdin = spec.Stdin
	if cmd.Stdout = spec.Stdout; cmd.Stdout == nil {
		cmd.Stdout = os.Stdout
	}
	if cmd.Stderr = spec.Stderr; cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	cmd.WaitDelay = outputDelay
	cmd.ExtraFiles, err = duplicates(spec.Files)
	return cmd, err
}

// duplicates are the caller's files under other numbers. Starting a process with the files themselves would make them
// block, for the caller, too.
func duplicates(files []*os.File) (dups []*os.File, err error) {
	for i, f := range files {
		dup, err := duplicate(f)
		if err != nil {
			closeAll(dups)
			return nil, fmt.Errorf("file %d for a new process: %w", i, err)
		}
		dups = append(dups, dup)
	}
	return dups, nil
}

func duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var dup int
	var failed error
	err = raw.Control(func(fd uintptr) { dup, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3) })
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, os.NewSyscallError("fcntl", failed)
	}
	return os.NewFile(uintptr(dup), f.Name()), nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
