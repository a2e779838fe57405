package pool

import "fmt"

// String says how many workers the pool has and what they have to do: for people, and for logs.
func (p *Pool) String() string { return p.core.String() }

// String names the task.
func (t *Task[A, R]) String() string { return fmt.Sprintf("task %q", t.core.Name) }

// String names the resource.
func (r *Resource[A, T]) String() string { return fmt.Sprintf("resource %q", r.Name()) }

// String names the task.
func (t *StreamTask[A, R]) String() string { return t.end.String() }
