package pool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/shmlog"
)

var logs = pool.Define("logs", func(ctx context.Context, how string) (string, error) {
	logger := pool.Logger(ctx)
	logger.Debug("too low")
	logger.Info("from logger", "how", how, "raw", json.RawMessage(`{"a":1}`))
	if how == "default" || how == "kill" {
		slog.Warn("from default", "how", how)
		log.Print("from package log")
	}
	if how == "kill" {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return process.Current().Name, nil
})

var logsWhenOpened = pool.DefineResource("logs when opened", func(context.Context, struct{}) (int, func() error, error) {
	slog.Info("opened")
	return 0, nil, nil
})

// loggedLine is a line of a JSONHandler.
type loggedLine struct {
	Level, Msg, Process, How string
	Raw                      map[string]int
}

func linesOf(t *testing.T, out string) (lines []loggedLine) {
	t.Helper()
	for line := range strings.Lines(out) {
		var l loggedLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// What workers log comes to the handler of the pool, with the worker's name, also the last of one
// that is killed.
func TestPoolLog(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		var out, said bytes.Buffer
		p := newPool(pool.Options{Workers: 1, Attempts: 1, Log: slog.NewJSONHandler(&out, nil), Stderr: &said})
		if _, err := pool.Apply(t.Context(), p, logs, "plain"); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		got := linesOf(t, out.String())
		if len(got) != 1 || got[0].Level != "INFO" || got[0].Msg != "from logger" || got[0].Raw["a"] != 1 || !strings.HasPrefix(got[0].Process, "Worker-1[") {
			t.Errorf("%+v", got)
		}
	})
	var out, said bytes.Buffer
	p := newPool(t, pool.Options{
		Workers: 1, Attempts: 1, Resources: []pool.AnyResource{logsWhenOpened}, Log: slog.NewJSONHandler(&out, nil), Stderr: &said,
		LogOptions: shmlog.Options{Level: slog.LevelWarn},
	})
	if _, err := pool.Apply(t.Context(), p, logs, "default"); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Apply(t.Context(), p, logs, "kill"); err == nil {
		t.Error("the worker lives")
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	got := linesOf(t, out.String())
	if len(got) != 2 || got[0].How != "default" || got[1].How != "kill" || got[1].Level != "WARN" {
		t.Errorf("%+v", got)
	}
	if n := strings.Count(said.String(), "from package log"); n != 2 {
		t.Errorf("package log has written %d times to standard error: %s", n, &said)
	}
}

// An error of the handler is one of Close, once, and the pool works.
func TestPoolLogFails(t *testing.T) {
	bad := errors.New("disk full")
	p, err := pool.NewLocal(t.Context(), pool.Options{Workers: 1, Log: failing{err: bad}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Apply(t.Context(), p, logs, "plain"); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); !errors.Is(err, bad) {
		t.Error(err)
	}
	if pool.Logger(t.Context()) != slog.Default() {
		t.Error("outside of a task the logger is another one")
	}
}

// A failing is a handler that returns an error.
type failing struct {
	slog.Handler
	err error
}

func (f failing) Enabled(context.Context, slog.Level) bool  { return true }
func (f failing) Handle(context.Context, slog.Record) error { return f.err }
