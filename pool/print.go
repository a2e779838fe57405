package pool

import "fmt"

// String says how many workers the pool has and what they have to do: for people, and for logs.
func (p *Pool) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := "pool"
	if p.options.Label != "" {
		what = fmt.Sprintf("pool %q", p.options.Label)
	}
	state := ""
	switch {
	case p.alive.Err() != nil:
		state = ", ended"
	case p.closing:
		state = ", closing"
	}
	return fmt.Sprintf("%s of %d workers: %d tasks, %d of them queued%s", what, p.crew.size, p.pending, p.queued(), state)
}

// String names the task.
func (t *Task[A, R]) String() string { return fmt.Sprintf("task %q", t.name) }

// String names the resource.
func (r *Resource[A, T]) String() string { return fmt.Sprintf("resource %q", r.Name()) }

// String names the process and says how far it is: for people, and for logs.
func (p *Process) String() string {
	name := fmt.Sprintf("process %q", p.Name())
	if code, ended := p.ExitCode(); ended {
		return fmt.Sprintf("%s (pid %d): %s", name, p.PID(), endText(code))
	}
	if pid := p.PID(); pid != 0 {
		return fmt.Sprintf("%s (pid %d): running", name, pid)
	}
	return name + ": not started"
}

// endText says how a process with an exit code has ended.
func endText(code int) string {
	switch {
	case code == ExitUnknown:
		return "ended, exit code unknown"
	case code < 0:
		return fmt.Sprintf("killed by signal %d", -code)
	}
	return fmt.Sprintf("ended, exit code %d", code)
}

// String says who the process is.
func (i ProcessInfo) String() string { return fmt.Sprintf("%s[%d]", i.Name, i.PID) }
