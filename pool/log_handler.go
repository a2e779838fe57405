package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// LogOptions are those of a [LogHandler].
type LogOptions struct {
	// Level is the lowest level that is logged; nil means [slog.LevelInfo].
	Level slog.Leveler

	// AddSource adds where the record was made, under [slog.SourceKey].
	AddSource bool

	// Process is what the records call this process. Empty means the name of [Current], or of the program where that is no
	// worker and no [Process], and the process id, as in Worker-2[4711].
	Process string

	// Capacity is how many bytes of records can wait for the listener; 0 means 1 MiB. The first who makes the log decides.
	Capacity int
}

const defaultLogCapacity = 1 << 20

// A LogHandler is a [slog.Handler] that passes records to a [LogListener], in whatever process that is. It never
// waits: when the listener is too slow, or there is none, and the log is full, a record is dropped and counted, and the
// listener reports how many were. A record that was handled before its process died is delivered.
//
// Records of one goroutine come in order. Values of other kinds than slog's own travel as what the codec makes of them, or
// as text; errors as their text.
type LogHandler struct {
	log  *sharedLog
	o    LogOptions
	with []logScope // from the outside in
}

// sharedLog is what handlers and listeners share: a queue of encoded records, how many there was no room for, and how
// many of those a listener has told of.
type sharedLog struct {
	records           *queue.Bytes
	dropped, reported *shm.Counter
}

// A logScope is a group that was opened, or attributes that were added.
type logScope struct {
	group string
	attrs []logAttr
}

// NewLogHandler finds the log of that name in the segment, or makes it, and returns a handler that writes to it.
//
// Errors: those of [queue.NewBytes] and [shm.NewCounter].
func NewLogHandler(seg *shm.Segment, name string, o LogOptions) (*LogHandler, error) {
	l, err := openLog(seg, name, o.Capacity)
	if err != nil {
		return nil, err
	}
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.Process == "" {
		me := Current()
		if me.Name == mainName {
			me.Name = filepath.Base(os.Args[0])
		}
		o.Process = fmt.Sprintf("%s[%d]", me.Name, me.PID)
	}
	return &LogHandler{log: l, o: o}, nil
}

func openLog(seg *shm.Segment, name string, capacity int) (*sharedLog, error) {
	records, err := queue.OpenBytes(seg, name, queue.Options{Wait: parked})
	if errors.Is(err, os.ErrNotExist) {
		if capacity == 0 {
			capacity = defaultLogCapacity
		}
		records, err = queue.NewBytes(seg, name, capacity, queue.Options{Wait: parked})
		if errors.Is(err, shm.ErrMismatch) { // another process was faster
			records, err = queue.OpenBytes(seg, name, queue.Options{Wait: parked})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("pool: log: %w", err)
	}
	l := &sharedLog{records: records}
	if l.dropped, err = shm.NewCounter(seg, name+".dropped"); err == nil {
		l.reported, err = shm.NewCounter(seg, name+".reported")
	}
	if err != nil {
		return nil, fmt.Errorf("pool: log: %w", err)
	}
	return l, nil
}

// Enabled reports whether records of that level are logged.
func (h *LogHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.o.Level.Level()
}

// Handle passes the record on, or drops it when there is no room. It does not wait.
//
// Errors: [shm.ErrClosed], [queue.ErrClosed], [shm.ErrCorrupt].
func (h *LogHandler) Handle(_ context.Context, r slog.Record) error {
	b := logBuffers.Get().(*bytes.Buffer)
	defer logBuffers.Put(b)
	b.Reset()
	if err := wire.Append(b, h.record(r)); err != nil {
		return fmt.Errorf("pool: log: %w", err)
	}
	err := h.log.records.TryPut(b.Bytes())
	if err == nil || errors.Is(err, shm.ErrClosed) || errors.Is(err, queue.ErrClosed) || errors.Is(err, shm.ErrCorrupt) {
		return err
	}
	h.log.dropped.Add(1) // no room now, or longer than there ever is
	return nil
}

var logBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// WithAttrs returns a handler whose records have these attributes, too.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.within(logScope{attrs: logAttrsOf(attrs)})
}

// WithGroup returns a handler that puts what is added to it later into a group.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.within(logScope{group: name})
}

func (h *LogHandler) within(s logScope) *LogHandler {
	next := *h
	next.with = append(h.with[:len(h.with):len(h.with)], s)
	return &next
}

// record is r with all that was added to the handler.
func (h *LogHandler) record(r slog.Record) logRecord {
	var attrs []logAttr
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, logAttrOf(a))
		return true
	})
	for i := len(h.with) - 1; i >= 0; i-- {
		if s := h.with[i]; s.group != "" {
			attrs = []logAttr{{Key: s.group, Kind: slog.KindGroup, Group: attrs}}
		} else {
			attrs = append(s.attrs[:len(s.attrs):len(s.attrs)], attrs...)
		}
	}
	if source := r.Source(); h.o.AddSource && source != nil {
		attrs = append([]logAttr{{Key: slog.SourceKey, Kind: slog.KindString, Text: fmt.Sprintf("%s:%d", source.File, source.Line)}}, attrs...)
	}
	return logRecord{Time: r.Time, Level: r.Level, Message: r.Message, Process: h.o.Process, Attrs: attrs}
}
