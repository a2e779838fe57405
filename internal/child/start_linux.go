package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outputDelay is how long a child's output may stay open after its end: one of its own children may
// hold on to it.
const outputDelay = time.Second

// A Process is a child that has been started. Its methods may be called by any number of
// goroutines.
type Process struct {
	cmd   *exec.Cmd
	pidfd *pidfd        // nil where the kernel has none
	done  chan struct{} // closed at the very end; what follows is immutable from then on
	exit  Exit
	usage Usage

	mu     sync.Mutex // guards reaped, and the process id from reuse while it is signalled
	reaped bool
}

// ways are how a child is set apart from this process, the best first. Where the system refuses
// one, the next is tried.
//
// A session of its own has no controlling terminal. So the child may write to the terminal of its
// parent under "stty tostop", and a program that opens /dev/tty gets an error: in a group of the
// parent's session both would be stopped, and nothing would let them go on.
var ways = []way{
	{session: true, pidfd: true}, {session: true}, {group: true, pidfd: true}, {group: true}, {pidfd: true}, {},
}

// A way is one of ways.
type way struct {
	session bool // the child leads a session, and so a group
	group   bool // the child leads a group
	pidfd   bool // clone returns a pidfd
}

// Start starts this program again. The child is waited for in the background.
func Start(spec Spec) (*Process, error) {
	line, err := holdLifeline()
	if err != nil {
		return nil, err
	}
	p, err := startAnyhow(spec, line)
	if err != nil {
		dropLifeline()
		return nil, err
	}
	go p.reap()
	return p, nil
}

func startAnyhow(spec Spec, line *os.File) (p *Process, err error) {
	for _, path := range programs() {
		for _, w := range ways {
			if p, err = w.start(path, spec, line); err == nil || !refused(err) {
				return p, err
			}
		}
	}
	return nil, fmt.Errorf("start this program again (%s): %w", Program(), err)
}

// refused reports whether err says that the system does not do what it was asked for: then it may
// do something simpler. A shortage is none, and neither is an error of what the caller has given.
func refused(err error) bool {
	var at *os.PathError
	var errno syscall.Errno
	if !errors.As(err, &at) || at.Op != "fork/exec" || !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.E2BIG, unix.ETXTBSY:
		return false
	}
	return true
}

// start starts the child in this way. Another goroutine reaps it.
func (w way) start(path string, spec Spec, line *os.File) (*Process, error) {
	cmd, own, err := command(path, spec, line)
	defer func() { closeAll(own) }()
	if err != nil {
		return nil, err
	}
	fd := -1
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: w.session, Setpgid: w.group}
	if w.pidfd {
		cmd.SysProcAttr.PidFD = &fd
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	switch {
	case fd >= 0:
		p.pidfd, _ = newPidfd(fd) // where that fails, Wait keeps a thread for this child
	case !w.pidfd:
		p.pidfd, _ = openPidfd(cmd.Process.Pid)
	}
	return p, nil
}

// command prepares a child. The caller closes the files that it returns, also with an error.
func command(path string, spec Spec, line *os.File) (cmd *exec.Cmd, own []*os.File, err error) {
	orders, err := spec.Limits.environment()
	if err != nil {
		return nil, nil, err
	}
	cmd = exec.Command(path)
	cmd.Args = arguments(spec.Args)
	orders = append(orders, fmt.Sprintf("%s=%d", lifelineEnv, 3+len(spec.Own)+len(spec.Files)))
	cmd.Env = append(append(os.Environ(), spec.Env...), orders...)
	if cmd.Dir = spec.Dir; spec.Dir != "" {
		if _, err := os.Stat(spec.Dir); err != nil { // the error of exec would name the program
			return nil, nil, err
		}
	}
	if cmd.Stdin = spec.Stdin; cmd.Stdin == nil {
		empty, err := emptyInput()
		if err != nil {
			return nil, nil, err
		}
		cmd.Stdin, own = empty, append(own, empty)
	}
	if cmd.Stdout = spec.Stdout; cmd.Stdout == nil {
		cmd.Stdout = os.Stdout
	}
	if cmd.Stderr = spec.Stderr; cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	cmd.WaitDelay = outputDelay
	cmd.ExtraFiles, err = spec.descriptors(line)
	return cmd, append(own, cmd.ExtraFiles...), err
}

// emptyInput has nothing to read. Where there is no /dev/null, it is a pipe without a writer.
func emptyInput() (*os.File, error) {
	if f, err := os.Open(os.DevNull); err == nil {
		return f, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w.Close()
	return r, nil
}

// descriptors are the files for the child under other numbers. Starting a process with the files
// themselves would make them block, for the caller, too. What was made is returned with an error,
// too.
func (spec Spec) descriptors(line *os.File) (dups []*os.File, err error) {
	for i, f := range spec.Own {
		dup, err := duplicate(f)
		if err != nil {
			return dups, fmt.Errorf("own descriptor %d of a new process: %w", i, err)
		}
		dups = append(dups, dup)
	}
	files, err := Duplicates(spec.Files)
	if err != nil {
		return dups, err
	}
	dups = append(dups, files...)
	dup, err := duplicate(line)
	if err != nil {
		return dups, fmt.Errorf("lifeline of a new process: %w", err)
	}
	return append(dups, dup), nil
}

// Duplicates are the same files under other numbers. The caller closes them.
//
// Errors: which of the files cannot be duplicated, such as one that is closed. Then there are none.
func Duplicates(files []*os.File) (dups []*os.File, err error) {
	for i, f := range files {
		dup, err := duplicate(f)
		if err != nil {
			closeAll(dups)
			return nil, fmt.Errorf("option Files[%d]: %w", i, err)
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
