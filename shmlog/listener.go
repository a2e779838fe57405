package shmlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/logwire"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// ProcessKey is the attribute by which a [Listener] says which process a record comes from.
const ProcessKey = logwire.ProcessKey

// reportEvery is how often a listener looks whether records were dropped.
const reportEvery = time.Second

const (
	// how long a listener that is closed waits for records that are being written
	drainLimit = time.Second
	// records that it takes beyond those that it has counted: after a death the count may lack some
	drainMore = 64
)

// A Listener takes the records of all [Handler]s of a log and gives them to another handler, in the
// order in which they were put in, each process's in the order in which it handled them. There
// should be one at a time; with several, each gets a part. Records that were dropped are reported
// to the handler within a second, as one record that says how many, each once, those that were
// dropped before there was a listener as well.
//
// A listener that is killed loses the record that it has in its hands, of which a part may be in a
// file; the next listener goes on behind that.
type Listener struct {
	log  *shared
	to   slog.Handler
	stop context.CancelFunc
	done chan struct{}

	mu  sync.Mutex
	err error // the first
}

// NewListener finds the log of that name in the segment, or makes it, and begins to give its
// records to the handler, from a goroutine of its own. The handler may write anywhere but to the
// same log.
//
// Errors: those of [NewHandler].
func NewListener(seg *shm.Segment, name string, to slog.Handler) (*Listener, error) {
	if h, ok := to.(*Handler); ok && h.log.records.Name() == name {
		return nil, fmt.Errorf("shmlog: log %q: the listener's handler would write to the same log: %w", name, os.ErrInvalid)
	}
	log, err := open(seg, name, 0)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &Listener{log: log, to: to, stop: stop, done: make(chan struct{})}
	go l.listen(ctx)
	return l, nil
}

// Dropped is how many records of this log were dropped so far, by all processes.
func (l *Listener) Dropped() uint64 { return uint64(l.log.dropped.Sum()) }

// Close takes all records that were handled before it, says how many were dropped, and ends the
// listener. It blocks while the handler writes them, and at most a second for a process that is
// stopped while it writes one. What is handled later waits for the next listener. It may be called
// again.
//
// Errors: the first of the handler, or of the log.
func (l *Listener) Close() error {
	l.stop()
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Listener) listen(ctx context.Context) {
	defer close(l.done)
	reported := time.Now()
	for {
		record, err := l.next(ctx)
		switch {
		case err == nil:
			l.pass(record)
			if time.Since(reported) >= reportEvery { // it may never have nothing to do
				l.report()
				reported = time.Now()
			}
			continue
		case ctx.Err() != nil:
			l.drain()
			l.report()
			return
		case errors.Is(err, context.DeadlineExceeded):
			l.report()
			reported = time.Now()
		default: // closed, or corrupt: there will be no more
			if !errors.Is(err, queue.ErrClosed) && !errors.Is(err, shm.ErrClosed) {
				l.fail(err)
			}
			l.report()
			return
		}
	}
}

// next waits for a record, but not for longer than the next report can wait.
func (l *Listener) next(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if record, err := l.log.records.TryGet(); err != queue.ErrEmpty {
		return record, err
	}
	ctx, cancel := context.WithTimeout(ctx, reportEvery)
	defer cancel()
	return l.log.records.Get(ctx)
}

// drain takes what was there when it began, and little more. For a record that is still being
// written then it waits, as others that are complete lie behind it; but not for ever, as its
// process may be stopped.
func (l *Listener) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	records := l.log.records
	for i, n := 0, records.Len(); i < n+drainMore; i++ {
		record, err := records.TryGet()
		if err == queue.ErrEmpty && i < n && records.Len() > 0 {
			record, err = records.Get(ctx)
		}
		if err != nil {
			return
		}
		l.pass(record)
	}
}

// pass gives a record to the handler.
func (l *Listener) pass(b []byte) {
	r, err := logwire.Read(b)
	if err != nil {
		l.fail(err)
		return
	}
	l.handle(r)
}

// report says how many records were dropped since the last report, by whichever listener that was.
func (l *Listener) report() {
	n := l.log.dropped.Sum() - l.log.reported.Sum()
	if n <= 0 {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "log records were dropped: the log was full", 0)
	r.AddAttrs(slog.Int64("dropped", n))
	l.handle(r)
	l.log.reported.Add(n) // after a death here the next listener reports it again
}

func (l *Listener) handle(r slog.Record) {
	ctx := context.Background()
	if !l.to.Enabled(ctx, r.Level) {
		return
	}
	if err := l.to.Handle(ctx, r); err != nil {
		l.fail(err)
	}
}

func (l *Listener) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = fmt.Errorf("shmlog: log %q: %w", l.log.records.Name(), err)
	}
}
