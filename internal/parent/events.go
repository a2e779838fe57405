package parent

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

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
	case errors.Is(cause, task.ErrClosed):
		p.event(slog.LevelInfo, "pool closed")
	case errors.Is(cause, context.Canceled):
		p.event(slog.LevelInfo, "pool closed", slog.Any("cause", cause))
	default:
		p.event(slog.LevelError, "pool ended", slog.Any("error", cause))
	}
}
