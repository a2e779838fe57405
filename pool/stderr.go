package pool

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxLineBytes  = 64 << 10               // a longer line is passed on in pieces
	lastBytes     = 4 << 10                // how much of a worker's last words is kept
	causeBytes    = 1 << 10                // how much of that is for the beginning of a crash
	maxSinkBytes  = 1 << 20                // how much can wait for a slow destination
	maxFlushDelay = 250 * time.Millisecond // how long the end of a worker waits for a slow destination
)

// A sink passes lines of many workers on to one destination, each in one Write, in the order in which they came. It does not make
// them wait: the destination may be a terminal that is held up, and a worker that waits for its standard error does
// no work. What there is no room for is dropped, and counted in a line of its own. Errors of the destination are
// nobody's to mend here: the line is lost, and the next one is tried.
type sink struct {
	to io.Writer

	mu      sync.Mutex
	lines   [][]byte
	bytes   int           // of all lines
	dropped int           // lines, since the last that was passed on
	idle    chan struct{} // closed when all is written; nil when it is so now
}

// ownStderr passes lines on to this process's standard error.
var ownStderr = newSink(os.Stderr)

func newSink(to io.Writer) *sink { return &sink{to: to} }

// sinkFor is a pool's. Pools that write to this process's standard error share one, so that their lines do not mix.
func sinkFor(to io.Writer) *sink {
	if to == nil || to == ownStderr.to {
		return ownStderr
	}
	return newSink(to)
}

// put adds a line, which is not copied. It does not block.
func (s *sink) put(line []byte) {
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

// write writes lines until there are none, and then ends: a pool that is silent has no goroutine for it.
func (s *sink) write(idle chan struct{}) {
	defer close(idle)
	for {
		line := s.next()
		if line == nil {
			return
		}
		s.to.Write(line)
	}
}

func (s *sink) next() []byte {
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
func (s *sink) flush(limit time.Duration) {
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

// A workerStderr takes what one worker writes to its standard error, in pieces of any length, and passes it on line by line,
// each with the worker's name and process id before it. It keeps the end.
type workerStderr struct {
	to   *sink
	name string

	mu      sync.Mutex
	prefix  []byte // nil: the process id is not known yet
	partial []byte // a line that has no end yet, or what came before the process id
	last    []byte // the end of what was written, up to twice as much as is kept
	recent  []byte // the last lines
	before  []byte // the last lines before cause, where C writes why it aborts
	cause   []byte // the beginning of a crash of the Go runtime: why that was
	after   int    // bytes since there
}

// newStderr takes the standard error of the worker of that name.
func newStderr(to *sink, name string) *workerStderr { return &workerStderr{to: to, name: name} }

// started tells the process id. What was written before waits for it.
func (w *workerStderr) started(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prefix = fmt.Appendf(nil, "[%s %d] ", w.name, pid)
	w.pass()
}

// Write takes a piece. It neither fails nor waits: the worker would die of the one and stand still with the other.
func (w *workerStderr) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep(b)
	w.partial = append(w.partial, b...)
	if w.prefix != nil || len(w.partial) > maxLineBytes {
		w.pass()
	}
	return len(b), nil
}

// Close passes on what has no newline at its end, and waits a little until all is written. It may be called again.
func (w *workerStderr) Close() error {
	w.mu.Lock()
	w.pass()
	if len(w.partial) > 0 {
		w.put(w.partial)
		w.partial = nil
	}
	w.mu.Unlock()
	w.to.flush(maxFlushDelay)
	return nil
}

// pass passes on all whole lines, and the front of one that is too long.
func (w *workerStderr) pass() {
	rest := w.partial
	for {
		end := bytes.IndexByte(rest, '\n')
		switch {
		case end >= 0 && end <= maxLineBytes:
			w.put(rest[:end])
			rest = rest[end+1:]
		case len(rest) > maxLineBytes:
			n := wholeRunes(rest[:maxLineBytes])
			w.put(rest[:n])
			rest = rest[n:]
		default:
			w.partial = append(w.partial[:0], rest...)
			return
		}
	}
}

// put passes on one line, without its newline.
func (w *workerStderr) put(line []byte) {
	w.keepCause(line)
	prefix := w.prefix
	if prefix == nil {
		prefix = fmt.Appendf(nil, "[%s] ", w.name)
	}
	whole := make([]byte, 0, len(prefix)+len(line)+1)
	whole = append(append(append(whole, prefix...), line...), '\n')
	w.to.put(whole)
}

// keepCause keeps a line if it is of the beginning of a crash, or may come before one. A cause that more has followed
// than its own output was none: what is written from then on is about something else.
func (w *workerStderr) keepCause(line []byte) {
	if isCause(line) && (w.cause == nil || w.after > causeBytes) {
		w.before = bytes.Clone(w.recent)
		w.cause, w.after = make([]byte, 0, causeBytes), 0
	}
	w.recent = append(append(w.recent, line[:min(len(line), causeBytes-1)]...), '\n')
	for len(w.recent) > causeBytes {
		w.recent = w.recent[bytes.IndexByte(w.recent, '\n')+1:]
	}
	if w.cause == nil {
		return
	}
	w.after += len(line) + 1
	if len(w.cause)+len(line) < causeBytes && w.after <= causeBytes {
		w.cause = append(append(w.cause, line...), '\n')
	}
}

// wholeRunes is how many bytes of b are left without a character that is cut at the end.
func wholeRunes(b []byte) int {
	for n := len(b) - 1; n >= 0 && n >= len(b)-utf8.UTFMax; n-- {
		if utf8.RuneStart(b[n]) {
			if utf8.FullRune(b[n:]) {
				break
			}
			return n
		}
	}
	return len(b)
}

func (w *workerStderr) keep(b []byte) {
	b = b[max(0, len(b)-lastBytes-1):]
	if len(w.last)+len(b) > 2*(lastBytes+1) {
		w.last = append(w.last[:0], w.last[len(w.last)-lastBytes-1:]...)
	}
	w.last = append(w.last, b...)
}

// String is the end of what was written, of at most 4 KiB: whole lines, or the end of the last one when that is longer. If a
// crash of the Go runtime does not fit, what came before it, its first lines and a line of three dots come first.
func (w *workerStderr) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.after <= lastBytes {
		return lastOf(w.last, lastBytes)
	}
	cause := strings.ToValidUTF8(string(w.before)+string(w.cause), "?") + "...\n"
	return cause + lastOf(w.last, lastBytes-len(cause))
}

// lastOf is the end of last, of at most so many bytes.
func lastOf(last []byte, most int) string {
	if len(last) > most {
		// The byte before shows whether a line begins here.
		last = last[len(last)-most-1:]
		if start := bytes.IndexByte(last, '\n') + 1; start > 0 && start < len(last) {
			last = last[start:]
		} else {
			last = last[1:]
			for cut := 1; cut < utf8.UTFMax && !utf8.RuneStart(last[0]); cut++ {
				last = last[1:]
			}
		}
	}
	return strings.ToValidUTF8(string(last), "?")
}
