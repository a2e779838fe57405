package pool

import (
	"context"

	"github.com/shmkit/shmkit/internal/task"
)

// A Handle stands for a shared object: it is one of packages shm, sync or queue.
type Handle interface {
	Name() string
	Detach() error
}

// Keep keeps handles that came with the argument of a task. ctx is the context of that task. The
// handles go on working after the task has returned, and keep their objects and segments attached
// until their Detach. Without Keep a handle is closed when its task returns: a later use is
// [shm.ErrClosed].
//
// Handles that came otherwise are the worker's already. So are those in the argument of a Process.
//
// Errors: [shm.ErrClosed] when the task has returned.
func Keep(ctx context.Context, handles ...Handle) error {
	for _, h := range handles {
		if err := task.Keep(ctx, h); err != nil {
			return err
		}
	}
	return nil
}
