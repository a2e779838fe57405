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
	return fmt.Sprintf("%s of %d workers: %d tasks, %d of them queued%s", what, p.workers.size, p.pending, p.queued(), state)
}

// String names the task.
func (t *Task[A, R]) String() string { return fmt.Sprintf("task %q", t.name) }

// String names the resource.
func (r *Resource[A, T]) String() string { return fmt.Sprintf("resource %q", r.Name()) }
