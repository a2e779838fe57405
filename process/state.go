package process

import (
	"context"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/wait"
)

// Name is the name of the process.
func (p *Process) Name() string { return p.options.Name }

// Daemon says whether the process ends with this one.
func (p *Process) Daemon() bool { return p.options.Daemon }

// PID is the process id. Once the process has ended it may be another's.
func (p *Process) PID() int { return p.proc.PID() }

// Sentinel is closed when the process has ended and its output was passed on.
func (p *Process) Sentinel() <-chan struct{} { return p.ended }

// Alive says whether the process has not ended.
func (p *Process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Join waits until the process has ended, however it did.
//
// Errors: the cause of the end of ctx.
func (p *Process) Join(ctx context.Context) error {
	began := wait.Start(ctx)
	select {
	case <-p.ended:
	case <-ctx.Done():
		if p.Alive() {
			return fmt.Errorf("process: %v: waited for its end: %w", p, wait.Late(ctx, context.Cause(ctx), began))
		}
	}
	return nil
}

// ExitUnknown stands for the exit code of a process that another part of this program has waited
// for: one that waits for all children, as PID 1 of a container does, or that ignores SIGCHLD. From
// Linux 6.15 on the exit code is known all the same.
const ExitUnknown = child.CodeUnknown

// ExitCode is how the process ended; ended is false as long as it has not:
//   - 0: its task returned no error.
//   - 1: its task returned an error, panicked, or called [runtime.Goexit]. It wrote to its standard
//     error what and where.
//   - what it gave to [os.Exit].
//   - 2: the Go runtime ended it: a panic outside the task's goroutine, or its memory limit.
//   - negative: the number of the signal that killed it.
//   - 120, 121: it did not get to its task. Start has said why.
//   - [ExitUnknown]: another part of this program has waited for it.
func (p *Process) ExitCode() (code int, ended bool) {
	select {
	case <-p.ended:
		return p.proc.Wait().Code, true
	default:
		return 0, false
	}
}

// Terminate asks the process to end, with SIGTERM: the context of its task ends. A task that then
// returns that context's error ends the process as the signal does, with exit code -15. One that
// takes no notice goes on until the grace is over, and is then killed with its process group, as by
// [Process.Kill]; a negative grace has no end. Terminate does not wait, and does nothing when the
// process has ended.
//
// Errors: those of sending the signal.
func (p *Process) Terminate(grace time.Duration) error {
	if err := p.proc.Terminate(); err != nil || grace < 0 {
		return err
	}
	go func() {
		select {
		case <-p.ended:
		case <-time.After(grace):
			p.proc.Kill()
		}
	}()
	return nil
}

// Kill ends the process and its process group with SIGKILL; those are the programs that its task
// has started by other means than this package. It does not wait, and does nothing when the process
// has ended.
//
// Errors: those of sending the signal.
func (p *Process) Kill() error {
	return p.proc.Kill()
}

// Usage is what a process uses of the machine, with the programs that it has started: those that
// run, and those that it has waited for. A program that has outlived its parent does not count.
type Usage struct {
	// time on a processor, of all threads; in steps of 10 ms while it runs
	User, System time.Duration
	// bytes of memory that they have at this moment, shared ones included; 0 when it has ended
	Resident int64
}

// Usage says what the process uses now, or what it has used when it has ended.
//
// Errors: the system does not tell.
func (p *Process) Usage() (Usage, error) {
	u, err := p.proc.Usage()
	return Usage(u), err
}
