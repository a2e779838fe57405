package pool

import (
	"context"
	"errors"
	"log/slog"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/shmlog"
)

// LogToStderr shows what happens in the pools and processes of this program on standard error, from that level on. Each line
// says in which process it was seen, as the attribute process, with its name, and which worker or process it is about:
//
//	ERROR  a task is quarantined; a resource cannot be opened or closed; a pool has ended because of an error
//	WARN   a worker died, with its exit code; its tasks run again; it is killed at a hard deadline
//	INFO   the kernel refuses a facility, which makes waits slower: once for each, with the pid;
//	       a worker or process starts, replaces another, ends, with the reason; a task runs again because of its error; a pool is closed
//	DEBUG  a worker takes tasks; a resource is opened or closed
//
// Processes that are started later do the same at the same level. Setting SHMKIT_LOG in the environment to DEBUG,
// INFO, WARN or ERROR has the effect of calling it at the start of [Main].
func LogToStderr(level slog.Level) {
	event.ToStderr(level)
}

// LogTo is [LogToStderr] for this process alone, with a handler of the caller's; nil shows nothing. To have the events of
// workers come to one place, let each call it with a [shmlog.Handler] before [Main]. The handler must not use the pool, which
// waits for it.
func LogTo(h slog.Handler) {
	_, named := h.(*shmlog.Handler)
	event.To(h, named)
}

// showStart shows that a worker has started, in place of the one of that process id if that is not 0.
func showStart(worker string, pid, before int) {
	if before == 0 {
		event.Show(slog.LevelInfo, "worker started", slog.String("worker", worker), slog.Int("pid", pid))
		return
	}
	event.Show(slog.LevelInfo, "worker replaced", slog.String("worker", worker), slog.Int("pid", pid), slog.Int("before", before))
}

// showEnd shows how a worker that had come so far has ended.
func showEnd(d WorkerExit, st tasktable.Stage) {
	who, pid, reason := slog.String("worker", d.Name), slog.Int("pid", d.PID), slog.String("reason", d.Reason)
	switch {
	case d.Reason == "died":
		event.Show(slog.LevelWarn, "worker died", who, pid, slog.Int("code", d.ExitCode), slog.String("signal", d.Signal))
	case st == tasktable.StageWorn:
		event.Show(slog.LevelInfo, "worker ended", who, pid, reason, slog.String("limit", "MaxTasksPerWorker"))
	case st == tasktable.StageLarge:
		event.Show(slog.LevelInfo, "worker ended", who, pid, reason, slog.String("limit", "RecycleMemory"))
	default:
		event.Show(slog.LevelInfo, "worker ended", who, pid, reason)
	}
}

// showClosed shows that a pool has ended, and why.
func showClosed(cause error) {
	switch {
	case errors.Is(cause, ErrClosed):
		event.Show(slog.LevelInfo, "pool closed")
	case errors.Is(cause, context.Canceled):
		event.Show(slog.LevelInfo, "pool closed", slog.Any("cause", cause))
	default:
		event.Show(slog.LevelError, "pool ended", slog.Any("error", cause))
	}
}
