package shmlog_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
	"github.com/shmkit/shmkit/shmlog"
)

// A busyLog leads a worker to the segment of a log.
type busyLog struct {
	Way     *shm.Counter
	Records int
}

var logBusily = pool.Define("log busily", func(ctx context.Context, l busyLog) (int64, error) {
	h, err := shmlog.NewHandler(l.Way.Segment(), "log", shmlog.Options{})
	if err != nil {
		return 0, err
	}
	// a busy machine may leave a process in the middle of a record for long
	shmlog.HoldFor(time.Hour)
	logger := slog.New(h)
	for i := range l.Records {
		logger.Info("busy", "i", i)
	}
	return 0, nil
})

// A counting is a handler that counts.
type counting struct {
	slog.Handler
	n int
}

func (c *counting) Enabled(context.Context, slog.Level) bool { return true }

func (c *counting) Handle(context.Context, slog.Record) error {
	c.n++
	return nil
}

// A log that has room drops nothing, even when more processes write to it than there are
// processors, so that some are put off theirs in the middle of a record.
func TestLogWithRoomDropsNothing(t *testing.T) {
	const workers, records = 6, 5000
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	way, err := shm.NewCounter(seg, "way")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shmlog.NewHandler(seg, "log", shmlog.Options{Capacity: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	got := &counting{}
	listener, err := shmlog.NewListener(seg, "log", got)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(t.Context(), pool.Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	args := make([]busyLog, workers)
	for i := range args {
		args[i] = busyLog{way, records}
	}
	if _, err := pool.Map(t.Context(), p, logBusily.With(pool.TaskOptions{Chunk: 1}), args); err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if got.n != workers*records || listener.Dropped() != 0 {
		t.Errorf("%d records of %d, %d dropped", got.n, workers*records, listener.Dropped())
	}
}
