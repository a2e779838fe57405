package pool

import (
	"context"
	"log/slog"

	"github.com/shmkit/shmkit/internal/worker"
)

// Logger is the logger of the worker in which the task runs; ctx is the task's, or comes from it.
// What is logged comes to Options.Log in the parent, with the worker's name and process id as the
// attribute [shmlog.ProcessKey]. In a worker that is a process [slog.Default] is the same. Without
// Options.Log, and in other contexts, it is slog.Default.
func Logger(ctx context.Context) *slog.Logger { return worker.Logger(ctx) }
