package shmlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/logwire"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Options are those of a [Handler].
type Options struct {
	// Level is the lowest level that is logged; nil means [slog.LevelInfo].
	Level slog.Leveler

	// AddSource adds where the record was made, under [slog.SourceKey].
	AddSource bool

	// Process is what the records call this process. Empty means its name and its process id, as in
	// Worker-2[4711]; a process that is neither a worker nor a Process has the name of its program.
	Process string

	// Capacity is how many bytes of records can wait for the listener; 0 means 1 MiB. The first
	// process that makes the log decides. An eighth of it is kept for records of [slog.LevelError]
	// and above.
	Capacity int

	// WhenFull is how long Handle waits for room when the log is full, before it drops the record;
	// 0 means not at all. After a wait in vain the handler drops at once for 5 s, or until there is
	// room again.
	WhenFull time.Duration
}

// DefaultCapacity is the [Options].Capacity that 0 stands for, in bytes.
const DefaultCapacity = 1 << 20

// A Handler is a [slog.Handler] that passes records to a [Listener], in whatever process that is.
// It does not wait for that, or as long as Options.WhenFull says: when the listener is too slow, or
// there is none, and the log is full, a record is dropped and counted, and the listener reports how
// many were. A record that was handled before its process died is delivered.
//
// Records of one goroutine come in order. A value of another kind than slog's own travels as what
// [slog.TextHandler] and [slog.JSONHandler] print for it, made by Handle: what its methods do, a
// panic included, shows in the record. For other handlers of the listener it is a [fmt.Stringer].
type Handler struct {
	log *shared
	o   Options
	// the tokens of what was added to it; never changed, as other handlers begin with the same
	with   []byte
	groups int // that are open in them
}

// shared is what handlers and listeners share: a queue of encoded records, how many there was no
// room for, and how many of those a listener has told of.
type shared struct {
	records           *queue.Bytes
	dropped, reported *shm.Counter

	// until then, in ns since 1970, no caller waits for a process that holds up the log
	held atomic.Int64
	vain atomic.Int64 // until when none waits for room
}

var queueOptions = queue.Options{Wait: shmsync.Park, WhenFull: queue.DropNewest}

// NewHandler finds the log of that name in the segment, or makes it, and returns a handler that
// writes to it.
//
// Errors: those of [queue.NewBytes] and [shm.NewCounter].
func NewHandler(seg *shm.Segment, name string, o Options) (*Handler, error) {
	l, err := open(seg, name, o.Capacity)
	if err != nil {
		return nil, err
	}
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.Process == "" {
		name := child.Current().Name
		if name == child.MainName {
			name = filepath.Base(os.Args[0])
		}
		o.Process = fmt.Sprintf("%s[%d]", name, os.Getpid())
	}
	return &Handler{log: l, o: o}, nil
}

func open(seg *shm.Segment, name string, capacity int) (*shared, error) {
	records, err := queue.OpenBytes(seg, name, queueOptions)
	if errors.Is(err, os.ErrNotExist) {
		if capacity == 0 {
			capacity = DefaultCapacity
		}
		records, err = queue.NewBytes(seg, name, capacity, queueOptions)
		if errors.Is(err, shm.ErrMismatch) { // another process was faster
			records, err = queue.OpenBytes(seg, name, queueOptions)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("shmlog: %w", err)
	}
	l := &shared{records: records}
	if l.dropped, err = shm.NewCounter(seg, name+".dropped"); err == nil {
		l.reported, err = shm.NewCounter(seg, name+".reported")
	}
	if err != nil {
		return nil, fmt.Errorf("shmlog: %w", err)
	}
	return l, nil
}

// Enabled reports whether records of that level are logged.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.o.Level.Level()
}

// Handle passes the record on, or drops it when there is no room, after the wait of
// Options.WhenFull. It allocates nothing for values of slog's own kinds. It waits only for a
// process that lost its processor in the instant in which it claimed a place: for half a second at
// most. For 5 s after that it does not wait again, but drops records.
//
// Errors: [shm.ErrClosed], [queue.ErrClosed], [shm.ErrCorrupt].
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	buffer := buffers.Get().(*[]byte)
	b := logwire.Append((*buffer)[:0], r, h.o.Process, h.source(r), h.with, h.groups)
	err := h.log.put(b, r.Level >= slog.LevelError, h.o.WhenFull)
	if cap(b) <= maxBuffer {
		*buffer = b
		buffers.Put(buffer)
	}
	if err == nil || errors.Is(err, shm.ErrClosed) || errors.Is(err, queue.ErrClosed) || errors.Is(err, shm.ErrCorrupt) {
		return err
	}
	h.log.dropped.Add(1) // no room now, or longer than there ever is
	return nil
}

// heldLimit is how long a record waits for a process that holds up the log. A test changes it.
var heldLimit = 500 * time.Millisecond

// heldPause is how long no record waits after one that has waited in vain, unless one gets through.
const heldPause = 5 * time.Second

// put puts a record, an urgent one also into the room that is kept for those. When there is none it
// waits for it for that time.
//
// Errors: [queue.ErrFull], the end of a context; those of Handle.
func (l *shared) put(record []byte, urgent bool, wait time.Duration) error {
	err := l.try(record, urgent)
	if err != queue.ErrFull || wait <= 0 || time.Now().UnixNano() < l.vain.Load() {
		return err
	}
	for end, pause := time.Now().Add(wait), firstPause; ; pause = min(2*pause, lastPause) {
		left := time.Until(end)
		if left <= 0 {
			l.vain.Store(time.Now().Add(heldPause).UnixNano())
			return err
		}
		// The queue wakes no producer for the room that urgent records may not share.
		time.Sleep(min(pause, left))
		if err = l.try(record, urgent); err != queue.ErrFull {
			return err
		}
	}
}

const (
	// between looks for room, at first; a listener takes a record in that time
	firstPause = 50 * time.Microsecond
	lastPause  = 2 * time.Millisecond
)

// try puts a record if there is room for it.
//
// Errors: those of put.
func (l *shared) try(record []byte, urgent bool) error {
	if most := l.records.Cap(); !urgent && len(record) <= most && l.records.Room() < min(most/reserve+len(record), most) {
		return queue.ErrFull
	}
	err := l.tryPut(record)
	if err == nil && l.vain.Load() != 0 {
		l.vain.Store(0)
	}
	return err
}

// reserve is the part of a log, as 1 of so many, that is kept for urgent records.
const reserve = 8

// tryPut puts a record. When TryPut has found no room, that may be because another process is not
// running now that claims a place; PutBatch waits for that one, and drops when the log is full.
//
// Errors: those of put.
func (l *shared) tryPut(record []byte) error {
	err := l.records.TryPut(record)
	if err == nil && l.held.Load() != 0 {
		l.held.Store(0)
	}
	if err != queue.ErrFull || time.Now().UnixNano() < l.held.Load() {
		return err
	}
	records := [][]byte{record}
	n, err := l.records.PutBatch(noTime, records)
	if errors.Is(err, context.Canceled) {
		ctx, cancel := context.WithTimeout(context.Background(), heldLimit)
		defer cancel()
		if n, err = l.records.PutBatch(ctx, records); errors.Is(err, context.DeadlineExceeded) {
			l.held.Store(time.Now().Add(heldPause).UnixNano())
		}
	}
	if err == nil && n == 0 {
		return queue.ErrFull
	}
	return err
}

// noTime is a context for calls that must not wait.
var noTime = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer bounds what is kept for later records, in bytes.
const maxBuffer = 64 << 10

// WithAttrs returns a handler that adds these attributes to its records.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	next := *h
	next.with = slices.Clip(h.with)
	for _, a := range attrs {
		next.with = logwire.AppendAttr(next.with, a, h.groups)
	}
	return &next
}

// WithGroup returns a handler that puts what is added to it later into a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.with = logwire.AppendGroup(slices.Clip(h.with), name)
	next.groups++
	return &next
}

// source is where r was made, if that is to be logged and is known.
func (h *Handler) source(r slog.Record) *slog.Source {
	if !h.o.AddSource {
		return nil
	}
	return r.Source()
}
