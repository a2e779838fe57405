package shmlog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/logwire"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

func logSegment(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	return seg
}

// A record that makes no sense is an error of the listener, and costs no other.
func TestListenerGoesOnAfterGarbage(t *testing.T) {
	seg := logSegment(t)
	h, err := NewHandler(seg, "log", Options{Process: "me"})
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.OpenBytes(seg, "log", queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.TryPut([]byte("garbage")); err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("good")
	var b bytes.Buffer
	l, err := NewListener(seg, "log", slog.NewTextHandler(&b, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, logwire.ErrRecord) {
		t.Error(err)
	}
	if !strings.HasSuffix(b.String(), "level=INFO msg=good process=me\n") {
		t.Errorf("%q", b.String())
	}
}

// A record with values of slog's own kinds takes no memory, whether there is room for it or not.
func TestLogHandlerAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector has sync.Pool forget buffers")
	}
	handler, err := NewHandler(logSegment(t), "log", Options{Process: "me", Capacity: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	h := handler.WithAttrs([]slog.Attr{slog.String("a", "b")}).WithGroup("g")
	n := testing.AllocsPerRun(1000, func() {
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "request served", 0)
		r.AddAttrs(slog.Int("status", 200), slog.String("path", "/index.html"), slog.Duration("took", time.Millisecond))
		h.Handle(context.Background(), r)
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
	if handler.log.dropped.Sum() == 0 || handler.log.records.Len() == 0 {
		t.Error("the log is not full")
	}
}

func BenchmarkLogHandler(b *testing.B) {
	handler, err := NewHandler(logSegment(b), "log", Options{Process: "me"})
	if err != nil {
		b.Fatal(err)
	}
	h := handler.WithAttrs([]slog.Attr{slog.String("a", "b")}).WithGroup("g")
	handle := func() {
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "request served", 0)
		r.AddAttrs(slog.Int("status", 200), slog.String("path", "/index.html"), slog.Duration("took", time.Millisecond))
		h.Handle(context.Background(), r)
	}
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			handle()
			handler.log.records.TryGet()
		}
	})
	b.Run("full", func(b *testing.B) {
		b.ReportAllocs()
		for range 50_000 {
			handle()
		}
		for b.Loop() {
			handle()
		}
	})
}
