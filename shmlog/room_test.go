package shmlog_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shmlog"
)

// A feedback is a handler that logs more than it takes, so that its listener never has nothing to
// do.
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
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Capacity: 4096})
	if err != nil {
		t.Fatal(err)
	}
	f := &feedback{again: slog.New(h)}
	l, err := shmlog.NewListener(seg, "log", f)
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
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Capacity: 8192})
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
	l, err := shmlog.NewListener(seg, "log", slog.NewJSONHandler(&out, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	important := strings.Count(out.String(), `"msg":"important"`)
	flood := strings.Count(out.String(), `"msg":"flood"`)
	if important != 5 || flood < 50 || uint64(flood)+l.Dropped() != 1001 {
		t.Errorf("%d and %d records, %d dropped", important, flood, l.Dropped())
	}
}

// A record that may wait finds room as soon as the listener makes some; where none does it is
// dropped, and the next ones do not wait.
//
// clock: the wait for room is the subject, and is at least so long.
func TestLogWaitsForRoom(t *testing.T) {
	seg, _ := logSegment(t)
	const patience = 50 * time.Millisecond
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Capacity: 4096, WhenFull: patience})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(h)
	began := time.Now()
	for i := range 1000 { // there is no listener
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
		t.Error("no record was dropped")
	}
	h, err = shmlog.NewHandler(seg, "log", shmlog.Options{WhenFull: time.Hour})
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
