package worker

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/shmkit/shmkit/shmlog"
)

// LogName is the name of the log of a pool in its segment: see Options.Log.
const LogName = "log"

// LogConfig is what a worker is told of the log of its pool.
type LogConfig struct {
	Level     slog.Level
	AddSource bool
	WhenFull  time.Duration
}

// openLog makes the logger of the worker. In a process of its own it is the default one of slog,
// too.
func (w *Worker) openLog() error {
	c := w.config.Log
	if c == nil {
		return nil
	}
	h, err := shmlog.NewHandler(w.Seg, LogName, shmlog.Options{
		Level: c.Level, AddSource: c.AddSource, WhenFull: c.WhenFull,
		Process: fmt.Sprintf("%s[%d]", NameOf(w.config.Label, int(w.config.Number)), os.Getpid()),
	})
	if err != nil {
		return err
	}
	w.logger = slog.New(h)
	if !w.local {
		out, flags := log.Writer(), log.Flags()
		slog.SetDefault(w.logger) // which turns the output of package log into records
		// its last words belong to the standard error, and to WorkerDiedError
		log.SetOutput(out)
		log.SetFlags(flags)
	}
	return nil
}

// Logger is the logger of the worker in which the task of ctx runs, or the default one.
func Logger(ctx context.Context) *slog.Logger {
	if o, ok := ctx.Value(openedKey{}).(*Opened); ok && o.logger != nil {
		return o.logger
	}
	return slog.Default()
}

// LogConfigFor is what workers are told of a log that goes to a handler, nil where there is none.
func LogConfigFor(to slog.Handler, o *shmlog.Options) *LogConfig {
	if to == nil {
		return nil
	}
	c := &LogConfig{AddSource: o.AddSource, WhenFull: o.WhenFull}
	if o.Level != nil {
		c.Level = o.Level.Level()
	} else {
		c.Level = lowestLevel(to)
	}
	return c
}

// lowestLevel is the lowest level that a handler takes, so that workers send none in vain.
func lowestLevel(h slog.Handler) slog.Level {
	const lowest, highest = slog.LevelDebug - 8, slog.LevelError + 8
	for level := slog.Level(lowest); level < highest; level++ {
		if h.Enabled(context.Background(), level) {
			return level
		}
	}
	return highest
}
