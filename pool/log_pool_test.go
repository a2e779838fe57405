package pool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
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
	return pool.Current().Name, nil
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

// What workers log comes to the handler of the pool, with the worker's name, also the last of one that is killed.
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
		LogOptions: pool.LogOptions{Level: slog.LevelWarn},
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

// A feedback is a handler that logs more than it takes, so that its listener never has nothing to do.
type feedback struct {
	slog.Handler
	again   *slog.Logger
	records atomic.Int64
	reports atomic.Int64
}

func (f *feedback) Enabled(context.Context, slog.Level) bool { return true }

func (f *feedback) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "dropped") {
		f.reports.Add(1)
		return nil
	}
	f.records.Add(1)
	for range 2 {
		if f.reports.Load() < 2 {
			f.again.Info("again", "text", strings.Repeat("x", 100))
		}
	}
	return nil
}

// A listener reports drops also while there is always another record to take.
func TestDropsAreReportedWhileBusy(t *testing.T) {
	t.Parallel()
	seg, _ := logSegment(t)
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Capacity: 4096})
	if err != nil {
		t.Fatal(err)
	}
	f := &feedback{again: slog.New(h)}
	l, err := pool.NewLogListener(seg, "log", f)
	if err != nil {
		t.Fatal(err)
	}
	f.again.Info("first")
	proctest.Eventually(t, time.Minute, func() bool { return f.reports.Load() >= 2 }, "drops are reported twice")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Errors find room where other records find none any more.
func TestRoomIsKeptForErrors(t *testing.T) {
	seg, _ := logSegment(t)
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Capacity: 8192})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(h)
	for i := range 1000 {
		logger.Warn("flood", "i", i)
	}
	for i := range 5 {
		logger.Error("important", "i", i)
	}
	logger.Info("too long", "text", strings.Repeat("x", 20_000))
	var out bytes.Buffer
	l, err := pool.NewLogListener(seg, "log", slog.NewJSONHandler(&out, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, line := range linesOf(t, out.String()) {
		count[line.Msg]++
	}
	if count["important"] != 5 || count["flood"] < 50 || uint64(count["flood"])+l.Dropped() != 1001 {
		t.Errorf("%v, %d dropped", count, l.Dropped())
	}
}

// A record that may wait finds room as soon as the listener makes some; where none does it is dropped, and the next ones do not
// wait.
//
// clock: the wait for room is the subject, and is at least so long.
func TestLogWaitsForRoom(t *testing.T) {
	seg, _ := logSegment(t)
	const patience = 50 * time.Millisecond
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Capacity: 4096, WhenFull: patience})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(h)
	began := time.Now()
	for i := range 1000 { // nobody listens
		logger.Info("unheard", "i", i)
	}
	if took := time.Since(began); took < patience {
		t.Errorf("it has waited for %v", took)
	}
	l, _ := fileListener(t, seg)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dropped := l.Dropped()
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
	h, err = pool.NewLogHandler(seg, "log", pool.LogOptions{WhenFull: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l, file := fileListener(t, seg)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 1000 {
				slog.New(h).Info("record", "n", i, "g", g, "text", strings.Repeat(fmt.Sprint(i%10), i%200))
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if n := bytes.Count(text, []byte(`"msg":"record"`)); err != nil || n != 4000 || l.Dropped() != dropped {
		t.Errorf("%d records, %d dropped before, %d now, %v", n, dropped, l.Dropped(), err)
	}
}
