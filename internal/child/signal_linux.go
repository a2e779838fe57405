package child

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// PID is the process id. It is the child's until Done is closed.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process and its group with SIGKILL. It does nothing once the process has ended.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return nil
	}
	p.killGroup()
	return p.signal(unix.SIGKILL) // in case it has left its group
}

// killGroup kills the process group of the child. The caller holds mu, and the process is not
// reaped here.
func (p *Process) killGroup() {
	if p.pidfd != nil && p.pidfd.killGroup() == nil {
		return
	}
	if !p.taken() {
		unix.Kill(-p.PID(), unix.SIGKILL)
	}
}

// taken reports whether another part of this program has waited for the child. From then on its id,
// and that of its group, may be another's. The caller holds mu, and the process is not reaped here.
func (p *Process) taken() bool {
	for {
		err := unix.Waitid(unix.P_PID, p.PID(), nil, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		if err != unix.EINTR {
			return err == unix.ECHILD
		}
	}
}

// Terminate asks the process to end, with SIGTERM. It does nothing once the process has ended.
func (p *Process) Terminate() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return nil
	}
	return p.signal(unix.SIGTERM)
}

// signal sends a signal to the process itself. The caller holds mu, and the process is not reaped.
func (p *Process) signal(sig unix.Signal) error {
	if p.pidfd != nil {
		if err := p.pidfd.signal(sig); err == nil {
			return nil
		}
	}
	if p.taken() {
		return nil // it has ended
	}
	return os.NewSyscallError("kill", unix.Kill(p.PID(), sig))
}

// EndGroup ends the calling process with SIGKILL, and all others of its group when that is its own,
// as it is for what [Start] has started: not if the process has joined another group, such as that
// of its parent.
func EndGroup() {
	if unix.Getpgrp() == os.Getpid() {
		syscall.Kill(0, syscall.SIGKILL)
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	os.Exit(1)
}

// OnTerminate calls f when this process is asked to end with SIGTERM, and has it take no notice of
// a Ctrl-C, which is for the parent. A write to its standard output or error that has no reader any
// more fails from then on, as for any other file, and does not end it: it has to look after its
// children and resources.
//
// SIGINT and SIGPIPE are caught and not ignored: the programs that this process starts would
// inherit that. Where it has no session of its own, terminal access in the background does not stop
// it either; that is ignored, also by the programs that it starts, as they have no way to be
// continued.
func OnTerminate(f func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGPIPE)
	if session, err := unix.Getsid(0); err != nil || session != os.Getpid() {
		signal.Ignore(syscall.SIGTTIN, syscall.SIGTTOU)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		for range asked {
			f()
		}
	}()
}

// DieTerminated ends the calling process as SIGTERM does without OnTerminate.
func DieTerminated() { dieBy(syscall.SIGTERM) }

// DieInterrupted ends the calling process as SIGINT does without OnTerminate.
func DieInterrupted() { dieBy(syscall.SIGINT) }

func dieBy(sig syscall.Signal) {
	signal.Reset(sig)
	syscall.Kill(os.Getpid(), sig)
	time.Sleep(time.Second) // the signal may go to another thread
	os.Exit(128 + int(sig))
}
