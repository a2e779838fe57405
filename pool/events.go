package pool

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// logEnv is the level at which a process shows events, as the text of a [slog.Level]. Children inherit it.
const logEnv = "SHMKIT_LOG"

// eventLog is where this process shows events; nil: nowhere.
var eventLog atomic.Pointer[eventHandler]

type eventHandler struct{ to slog.Handler }

// LogToStderr shows what happens in the pools and processes of this program on standard error, from that level on: workers
// that start, die and are replaced, with the reason, tasks that are retried, given up or killed at their deadline, and resources that
// cannot be opened or closed. Each line says in which process it happened, as the attribute process, with the name of [Current].
//
// Processes that are started later do the same at the same level. Setting SHMKIT_LOG in the environment to DEBUG,
// INFO, WARN or ERROR has the effect of calling it at the start of [Main].
func LogToStderr(level slog.Level) {
	os.Setenv(logEnv, level.String()) // fails for no such name
	LogTo(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// LogTo is [LogToStderr] for this process alone, with a handler of the caller's; nil shows nothing. To have the events of
// workers come to one place, let each call it with a [LogHandler] before [Main].
func LogTo(h slog.Handler) {
	if h == nil {
		eventLog.Store(nil)
		return
	}
	eventLog.Store(&eventHandler{h})
}

// logAsInherited does what the environment says.
//
// Errors: it makes no sense.
func logAsInherited() error {
	value := os.Getenv(logEnv)
	if value == "" || eventLog.Load() != nil { // not set, or the program has decided
		return nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(value)); err != nil {
		return fmt.Errorf("pool: %s=%q: %w", logEnv, value, err)
	}
	LogToStderr(level)
	return nil
}

// event shows an event. It costs a load, and no memory, when events are not shown.
func event(level slog.Level, msg string, attrs ...slog.Attr) {
	if e := eventLog.Load(); e != nil {
		e.show(level, msg, attrs)
	}
}

func (e *eventHandler) show(level slog.Level, msg string, attrs []slog.Attr) {
	ctx := context.Background()
	if !e.to.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(time.Now(), level, msg, 0)
	r.AddAttrs(slog.String(ProcessKey, Current().Name))
	r.AddAttrs(attrs...)
	e.to.Handle(ctx, r) // nobody is there to be told of an error
}
