package pool_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

func BenchmarkLogHandler(b *testing.B) {
	seg, _ := logSegment(b)
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Process: "me"})
	if err != nil {
		b.Fatal(err)
	}
	l, err := pool.NewLogListener(seg, "log", slog.DiscardHandler)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for name, h := range map[string]slog.Handler{"plain": h, "with": h.WithAttrs([]slog.Attr{slog.String("a", "b")}).WithGroup("g")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := slog.NewRecord(time.Now(), slog.LevelInfo, "request served", 0)
				r.AddAttrs(slog.Int("status", 200), slog.String("path", "/index.html"), slog.Duration("took", time.Millisecond))
				h.Handle(context.Background(), r)
			}
		})
	}
}
