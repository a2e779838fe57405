package pool

import (
	"context"

	"github.com/shmkit/shmkit/internal/worker"
)

// Carried is what Options.Carry of the pool has said for the call that the task belongs to; ctx is
// the task's, or comes from it. A task that runs again carries the same. ok is false when the pool
// has no Carry, or ctx is not that of a task.
func Carried(ctx context.Context) (carry [32]byte, ok bool) { return worker.Carried(ctx) }
