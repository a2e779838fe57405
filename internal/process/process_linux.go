package process

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self leads to the program that is running, even when its file was replaced meanwhile.
const self = "/proc/self/exe"

// A Process is a child that has been started.
type Process struct {
	cmd *exec.Cmd

	mu     sync.Mutex // guards reaped, and the process id from reuse while it is signalled
	reaped bool
}

// Start starts this program with the same arguments and more environment. The files
// become its descriptors 3, 4, …; what it writes to its standard error goes to stderr.
func Start(env []string, files []*os.File, stderr io.Writer) (*Process, error) {
	cmd := exec.Command(self)
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), env...)
	cmd.ExtraFiles = files
	cmd.Stdout, cmd.Stderr = os.Stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // a grandchild may hold on to the standard error
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Process{cmd: cmd}, nil
}

// PID is the process id. It is the child's until Wait returns.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait waits for the end of the process and of what it wrote to its standard error. Children
// that it leaves behind in its group are killed. It is called once.
func (p *Process) Wait() Exit {
	for {
		err := unix.Waitid(unix.P_PID, p.PID(), nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	p.mu.Lock()
	unix.Kill(-p.PID(), unix.SIGKILL) // not reaped yet, so that the id is still its own
	p.reaped = true
	p.mu.Unlock()
	p.cmd.Wait() // the state tells more than the error
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return Exit{Code: -int(status.Signal()), Signal: status.Signal().String()}
	}
	return Exit{Code: p.cmd.ProcessState.ExitCode()}
}

// Kill ends the process and its group with SIGKILL. It does nothing once the process has ended.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		unix.Kill(-p.PID(), unix.SIGKILL)
		unix.Kill(p.PID(), unix.SIGKILL) // in case it has left its group
	}
}

// Terminate asks the process to end, with SIGTERM. It does nothing once the process has ended.
func (p *Process) Terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		unix.Kill(p.PID(), unix.SIGTERM)
	}
}

// EndGroup ends the calling process and all others of its group with SIGKILL.
func EndGroup() {
	syscall.Kill(0, syscall.SIGKILL)
	os.Exit(1)
}

// CloseOnExec keeps a descriptor that this process has inherited from its own children.
func CloseOnExec(fd int) { syscall.CloseOnExec(fd) }

// OnTerminate calls f when this process is asked to end with SIGTERM, and has it
// ignore a Ctrl-C, which is for the parent.
func OnTerminate(f func()) {
	signal.Ignore(os.Interrupt)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		for range asked {
			f()
		}
	}()
}
