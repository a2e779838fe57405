package linemux

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const maxSinkBytes = 1 << 20 // how much can wait for a slow destination

// A Sink passes lines of many workers on to one destination, each in one Write, in the order in
// which they came. It does not make them wait: the destination may be a terminal that is held up,
// and a worker that waits for its standard error does no work. What there is no room for is
// dropped, and counted in a line of its own. After an error of the destination the line is lost,
// and the next one is tried.
type Sink struct {
	to io.Writer

	mu      sync.Mutex
	lines   [][]byte
	bytes   int           // of all lines
	dropped int           // lines, since the last that was passed on
	idle    chan struct{} // closed when all is written; nil when it is so now
}

// ownStderr passes lines on to this process's standard error.
var ownStderr = NewSink(os.Stderr)

func NewSink(to io.Writer) *Sink { return &Sink{to: to} }

// SinkFor is a pool's. Pools that write to this process's standard error share one, so that their
// lines do not mix.
func SinkFor(to io.Writer) *Sink {
	if to == nil || to == ownStderr.to {
		return ownStderr
	}
	return NewSink(to)
}

// put adds a line, which is not copied. It does not block.
func (s *Sink) put(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+len(line) > maxSinkBytes {
		s.dropped++
		return
	}
	s.lines = append(s.lines, line)
	s.bytes += len(line)
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.write(s.idle)
	}
}

// write writes lines until there are none, and then ends: a pool that is silent has no goroutine
// for it.
func (s *Sink) write(idle chan struct{}) {
	defer close(idle)
	for {
		line := s.next()
		if line == nil {
			return
		}
		s.to.Write(line)
	}
}

func (s *Sink) next() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 {
		if s.dropped == 0 {
			s.idle = nil
			return nil
		}
		line := fmt.Appendf(nil, "pool: %d lines that workers wrote to their standard error were dropped: it is too slow\n", s.dropped)
		s.dropped = 0
		return line
	}
	line := s.lines[0]
	s.lines[0] = nil
	s.lines = s.lines[1:]
	s.bytes -= len(line)
	return line
}

// flush waits until all lines are written, but for a slow destination not longer than limit.
func (s *Sink) flush(limit time.Duration) {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-time.After(limit):
	}
}
