// Package linemux passes the lines that several processes write to their standard error on to one
// destination, each line whole and with the name of its process, and keeps the last lines of each
// process. It knows the line that says why a Go program has crashed.
package linemux

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxLineBytes = 64 << 10 // a longer line is passed on in pieces
	lastBytes    = 4 << 10  // how much of a worker's last words is kept
	causeBytes   = 1 << 10  // how much of that is for the beginning of a crash
	// how long the end of a worker waits for a slow destination
	maxFlushDelay = 250 * time.Millisecond
)

// A Writer takes what one worker writes to its standard error, in pieces of any length, and passes
// it on line by line, each with the worker's name and process id before it. It keeps the end.
type Writer struct {
	to   *Sink
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

// NewWriter takes the standard error of the worker of that name.
func NewWriter(to *Sink, name string) *Writer { return &Writer{to: to, name: name} }

// Started tells the process id. What was written before waits for it.
func (w *Writer) Started(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prefix = fmt.Appendf(nil, "[%s %d] ", w.name, pid)
	w.pass()
}

// Write takes a piece. It neither fails nor waits: the worker would die of the one and stand still
// with the other.
func (w *Writer) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep(b)
	w.partial = append(w.partial, b...)
	if w.prefix != nil || len(w.partial) > maxLineBytes {
		w.pass()
	}
	return len(b), nil
}

// Close passes on what has no newline at its end, and waits a little until all is written. It may
// be called again.
func (w *Writer) Close() error {
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
func (w *Writer) pass() {
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
func (w *Writer) put(line []byte) {
	w.keepCause(line)
	prefix := w.prefix
	if prefix == nil {
		prefix = fmt.Appendf(nil, "[%s] ", w.name)
	}
	whole := make([]byte, 0, len(prefix)+len(line)+1)
	whole = append(append(append(whole, prefix...), line...), '\n')
	w.to.put(whole)
}

// keepCause keeps a line if it is of the beginning of a crash, or may come before one. A cause that
// more has followed than its own output was none: what is written from then on is about something
// else.
func (w *Writer) keepCause(line []byte) {
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

func (w *Writer) keep(b []byte) {
	b = b[max(0, len(b)-lastBytes-1):]
	if len(w.last)+len(b) > 2*(lastBytes+1) {
		w.last = append(w.last[:0], w.last[len(w.last)-lastBytes-1:]...)
	}
	w.last = append(w.last, b...)
}

// String is the end of what was written, of at most 4 KiB: whole lines, or the end of the last one
// when that is longer. If a crash of the Go runtime does not fit, what came before it, its first
// lines and a line of three dots come first.
func (w *Writer) String() string {
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
