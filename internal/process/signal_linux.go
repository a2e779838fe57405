package process

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
	unix.Kill(-p.PID(), unix.SIGKILL)
	return p.signal(unix.SIGKILL) // in case it has left its group
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
	return os.NewSyscallError("kill", unix.Kill(p.PID(), sig))
}

// EndGroup ends the calling process with SIGKILL, and all others of its group when that is its own, as it is for what
// [Start] has started: not if the process has joined another group, such as that of its parent.
func EndGroup() {
	if unix.Getpgrp() == os.Getpid() {
		syscall.Kill(0, syscall.SIGKILL)
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	os.Exit(1)
}

// OnTerminate calls f when this process is asked to end with SIGTERM, and has it
// ignore a Ctrl-C, which is for the parent. A write to its standard output or error of which nobody is the reader any more fails
// from then on, as for any other file, and does not end it: it has to look after its children and resources.
func OnTerminate(f func()) {
	signal.Ignore(os.Interrupt)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // ignored, it would be for programs that it starts, too
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		for range asked {
			f()
		}
	}()
}

// DieTerminated ends the calling process as SIGTERM does without OnTerminate.
func DieTerminated() {
	signal.Reset(syscall.SIGTERM)
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	time.Sleep(time.Second) // the signal may go to another thread
	os.Exit(128 + int(syscall.SIGTERM))
}
