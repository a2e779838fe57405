package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/logwire"
)

// A logHandler passes records of a host to the callers of its queue.
type logHandler struct {
	out    *logSender
	name   string
	also   slog.Handler // nil: none
	with   []byte
	groups int
}

// A logSender batches records.
type logSender struct {
	subject string
	mu      sync.Mutex
	nc      *nats.Conn // nil: not connected yet
	batch   []byte
	dropped uint64
	timer   *time.Timer
}

const (
	logDelay = 20 * time.Millisecond // how long a record waits for others
	logBytes = 64 << 10              // of a message
	logMost  = 1 << 20               // of records that wait
)

// Enabled implements [slog.Handler].
func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || h.also != nil && h.also.Enabled(ctx, l)
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		h.out.add(logwire.Append(nil, r, h.name, nil, h.with, h.groups))
	}
	if h.also != nil && h.also.Enabled(ctx, r.Level) {
		return h.also.Handle(ctx, r)
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.with = slices.Clone(h.with)
	for _, a := range attrs {
		n.with = logwire.AppendAttr(n.with, a, h.groups)
	}
	if h.also != nil {
		n.also = h.also.WithAttrs(attrs)
	}
	return &n
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.with, n.groups = logwire.AppendGroup(slices.Clone(h.with), name), h.groups+1
	if h.also != nil {
		n.also = h.also.WithGroup(name)
	}
	return &n
}

// add adds a record to the batch.
func (s *logSender) add(record []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(record) > logBytes || len(s.batch)+len(record) > logMost {
		s.dropped++
		return
	}
	if len(s.batch)+len(record) > logBytes {
		s.flush()
	}
	s.batch = append(binary.AppendUvarint(s.batch, uint64(len(record))), record...)
	if s.timer == nil {
		s.timer = time.AfterFunc(logDelay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.flush()
		})
	} else {
		s.timer.Reset(logDelay)
	}
}

// flush sends the batch, if there is a connection. s.mu is held.
func (s *logSender) flush() {
	if s.nc == nil || len(s.batch) == 0 {
		return
	}
	s.nc.Publish(s.subject, append(binary.AppendUvarint(nil, s.dropped), s.batch...))
	s.batch = s.batch[:0]
}

// connected has records sent from now on.
func (s *logSender) connected(nc *nats.Conn, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nc, s.subject = nc, subject
	s.flush()
}

// close sends what is there.
func (s *logSender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.flush()
	s.nc = nil
}

// readLogs calls f for each record of a message, and returns how many records the host has dropped.
func readLogs(b []byte, f func(slog.Record)) (dropped uint64) {
	dropped, n := binary.Uvarint(b)
	if n <= 0 {
		return 0
	}
	for b = b[n:]; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return dropped
		}
		if r, err := logwire.Read(b[n : n+int(size)]); err == nil {
			f(r)
		}
		b = b[n+int(size):]
	}
	return dropped
}

// lastLine keeps the last record of each host.
func (c *caller) lastLine(m *nats.Msg) {
	var last string
	readLogs(m.Data, func(r slog.Record) { last = r.Message })
	if last == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logLines[lastToken(m.Subject)] = last[:min(len(last), 1<<10)]
}

// Logs has h handle what the hosts log from now on, until stop is called: the records of their
// workers, of level Info and above, and their own. The attribute [shmlog.ProcessKey] names the host
// and the worker. Records that the network or h is too slow for are dropped.
//
// Errors: the Cluster is closed.
func (c *Cluster) Logs(h slog.Handler) (stop func(), err error) {
	sub, err := c.nc.Subscribe(wire.Prefix+"l."+c.o.Queue+".*", func(m *nats.Msg) {
		readLogs(m.Data, func(r slog.Record) {
			if h.Enabled(context.Background(), r.Level) {
				h.Handle(context.Background(), r) // there is no one to tell
			}
		})
	})
	if err == nil {
		err = c.nc.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("cluster: listen to the logs of hosts: %w", err)
	}
	return func() { sub.Unsubscribe() }, nil
}
