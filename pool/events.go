package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/shmlog"
)

// LogToStderr shows what happens in the pools and processes of this program on standard error, from
// that level on. Each line says in which process it was seen, as the attribute process, with its
// name, and which worker or process it is about. Events of a pool with an Options.Label have that
// as the attribute pool:
//
//	ERROR  a task is quarantined; a resource cannot be opened or closed; a pool has ended because of an error
//	WARN   a worker died, with its exit code; its tasks run again; it is killed at a hard deadline
//	INFO   the kernel refuses a facility, which makes waits slower: once for each, with the pid;
//	       a worker or process starts, replaces another, ends, with the reason; a task runs again because of its error; a pool is closed
//	DEBUG  a worker takes tasks; a resource is opened or closed; an error of a task is of no registered
//	       kind, so that only its text reaches the parent, once for each type
//
// Processes that are started later do the same at the same level. Setting SHMKIT_LOG in the
// environment to DEBUG, INFO, WARN or ERROR has the effect of calling it at the start of [Main].
func LogToStderr(level slog.Level) {
	event.ToStderr(level)
}

// LogTo is [LogToStderr] for this process alone, with a handler of the caller's; nil shows nothing.
// To have the events of workers come to one place, let each call it with a [shmlog.Handler] before
// [Main]. The handler must not use the pool, which waits for it.
func LogTo(h slog.Handler) {
	_, named := h.(*shmlog.Handler)
	event.To(h, named)
}

// event shows an event of the pool, with its label.
func (p *Pool) event(level slog.Level, msg string, attrs ...slog.Attr) {
	if label := p.options.Label; label != "" && event.Enabled(level) {
		attrs = append(slices.Clip(attrs), slog.String("pool", label))
	}
	event.Show(level, msg, attrs...)
}

// showStart shows that a worker has started, in place of the one of that process id if that is not
// 0.
func (p *Pool) showStart(worker string, pid, before int) {
	if before == 0 {
		p.event(slog.LevelInfo, "worker started", slog.String("worker", worker), slog.Int("pid", pid))
		return
	}
	p.event(slog.LevelInfo, "worker replaced", slog.String("worker", worker), slog.Int("pid", pid), slog.Int("before", before))
}

// showEnd shows how a worker that had come so far has ended.
func (p *Pool) showEnd(d WorkerExit, st tasktable.Stage) {
	name, pid, reason := slog.String("worker", d.Name), slog.Int("pid", d.PID), slog.String("reason", d.Reason)
	switch {
	case d.Reason == "died":
		p.event(slog.LevelWarn, "worker died", name, pid, slog.Int("code", d.ExitCode), slog.String("signal", d.Signal))
	case st == tasktable.StageWorn:
		p.event(slog.LevelInfo, "worker ended", name, pid, reason, slog.String("limit", "MaxTasksPerWorker"))
	case st == tasktable.StageLarge:
		p.event(slog.LevelInfo, "worker ended", name, pid, reason, slog.String("limit", "RecycleMemory"))
	default:
		p.event(slog.LevelInfo, "worker ended", name, pid, reason)
	}
}

// showClosed shows that a pool has ended, and why.
func (p *Pool) showClosed(cause error) {
	switch {
	case errors.Is(cause, ErrClosed):
		p.event(slog.LevelInfo, "pool closed")
	case errors.Is(cause, context.Canceled):
		p.event(slog.LevelInfo, "pool closed", slog.Any("cause", cause))
	default:
		p.event(slog.LevelError, "pool ended", slog.Any("error", cause))
	}
}
