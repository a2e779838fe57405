package pool

import (
	"context"
	"time"

	"github.com/shmkit/shmkit/internal/child"
)

// running returns what there is of the process in the system.
func (p *Process) running() (*child.Process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.failed != nil:
		return nil, p.failed
	case p.proc == nil:
		return nil, errNotStarted
	}
	return p.proc, nil
}

// Name is the name of the process.
func (p *Process) Name() string { return p.options.Name }

// Daemon says whether the process ends with this one.
func (p *Process) Daemon() bool { return p.options.Daemon }

// PID is the process id, 0 before Start. Once the process has ended it may be another's.
func (p *Process) PID() int {
	if proc, err := p.running(); err == nil {
		return proc.PID()
	}
	return 0
}

// Sentinel is closed when the process has ended and its output was passed on, and when Start has
// failed.
func (p *Process) Sentinel() <-chan struct{} { return p.ended }

// Alive says whether the process was started and has not ended.
func (p *Process) Alive() bool {
	if _, err := p.running(); err != nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Join waits until the process has ended, however it did.
//
// Errors: that of ctx; the process was not started.
func (p *Process) Join(ctx context.Context) error {
	if _, err := p.running(); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		if p.Alive() {
			return ctx.Err()
		}
	}
	return nil
}

// ExitCode is how the process ended; ended is false as long as it has not:
//   - 0: its task returned no error.
//   - 1: its task returned an error, panicked, or called [runtime.Goexit]. It wrote to its standard error what and where.
//   - what it gave to [os.Exit].
//   - 2: the Go runtime ended it: a panic outside the task's goroutine, or its memory limit.
//   - negative: the number of the signal that killed it.
//   - 120, 121: it did not get to its task. Start has said why.
//   - [ExitUnknown]: another part of this program has waited for it.
func (p *Process) ExitCode() (code int, ended bool) {
	proc, err := p.running()
	if err != nil {
		return 0, false
	}
	select {
	case <-p.ended:
		return proc.Wait().Code, true
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
// Errors: the process was not started.
func (p *Process) Terminate(grace time.Duration) error {
	proc, err := p.running()
	if err != nil {
		return err
	}
	if err := proc.Terminate(); err != nil || grace < 0 {
		return err
	}
	go func() {
		select {
		case <-p.ended:
		case <-time.After(grace):
			proc.Kill()
		}
	}()
	return nil
}

// Kill ends the process and its process group with SIGKILL; those are the programs that its task
// has started by other means than this package. It does not wait, and does nothing when the process
// has ended.
//
// Errors: the process was not started.
func (p *Process) Kill() error {
	proc, err := p.running()
	if err != nil {
		return err
	}
	return proc.Kill()
}

// Usage is what a process uses of the machine, with the programs that it has started: those that
// run, and those that it has waited for. Of programs whose parents have ended before them it counts
// none.
type Usage struct {
	User, System time.Duration // time on a processor, of all threads; in steps of 10 ms while it runs
	Resident     int64         // bytes of memory that they have at this moment, shared ones included; 0 when it has ended
}

// Usage says what the process uses now, or what it has used when it has ended.
//
// Errors: the process was not started; the system does not tell.
func (p *Process) Usage() (Usage, error) {
	proc, err := p.running()
	if err != nil {
		return Usage{}, err
	}
	u, err := proc.Usage()
	return Usage(u), err
}
