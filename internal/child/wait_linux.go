package child

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Done is closed when the process has ended, and what it wrote was passed on.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end of the process and of what it wrote. Children that it leaves behind in its
// group are killed.
func (p *Process) Wait() Exit {
	<-p.done
	return p.exit
}

// reap waits for the process, and ends what is left of its group.
func (p *Process) reap() {
	defer close(p.done)
	defer dropLifeline()
	if p.pidfd == nil || p.pidfd.wait(childEnded) != nil {
		waitBlocking(p.PID())
	}
	p.mu.Lock()
	p.killGroup() // not reaped yet, so that the id is still its own
	p.reaped = true
	p.mu.Unlock()
	p.cmd.Wait() // the state tells more than the error
	p.exit, p.usage = p.exitState(), usageOf(p.cmd.ProcessState)
	if p.pidfd != nil {
		p.pidfd.close()
	}
}

// waitBlocking is for kernels that have no pidfds, or do not poll them. It takes a thread.
func waitBlocking(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		continue
	}
}

// exitState says how the process has ended.
func (p *Process) exitState() Exit {
	if state := p.cmd.ProcessState; state != nil {
		if status, ok := state.Sys().(syscall.WaitStatus); ok {
			return exitOf(status)
		}
		return Exit{Code: state.ExitCode()}
	}
	if p.pidfd != nil { // another part of the program has waited for it
		if status, known := p.pidfd.status(); known {
			return exitOf(status)
		}
	}
	return Unknown
}

func exitOf(status syscall.WaitStatus) Exit {
	if status.Signaled() {
		return Exit{Code: -int(status.Signal()), Signal: status.Signal().String()}
	}
	return Exit{Code: status.ExitStatus()}
}
