package proctest

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"time"
)

var (
	errNoMore  = errors.New("the child ended")
	errTooLong = errors.New("no line came in time")
)

// lines is a child's stdout, cut into lines. The zero value is ready for use.
type lines struct {
	mu      sync.Mutex
	partial []byte
	whole   []string
	cut     bool // the last line has no end
	ended   bool
	changed chan struct{} // closed and replaced at each change; nil while no caller waits
}

// Write takes a piece of output. It never blocks and never fails, so that the child does not wait
// for the test.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			break
		}
		l.whole = append(l.whole, string(line))
		l.partial = rest
	}
	l.wake()
	return len(p), nil
}

// end says that no more output comes. An unfinished line counts as one.
func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.whole = append(l.whole, string(l.partial))
		l.cut = true
	}
	l.ended = true
	l.wake()
}

// wake lets the waiters of next look again. The caller holds mu.
func (l *lines) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// next returns the next line, waiting for it. It returns errNoMore or errTooLong when there is
// none.
func (l *lines) next(timeout time.Duration) (string, error) {
	expired := time.NewTimer(timeout)
	defer expired.Stop()
	for {
		line, changed, err := l.poll()
		if changed == nil {
			return line, err
		}
		select {
		case <-changed:
		case <-expired.C:
			return "", errTooLong
		}
	}
}

// poll returns a line or an error, or else the channel to wait on.
func (l *lines) poll() (string, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.whole) > 0 {
		line := l.whole[0]
		l.whole = l.whole[1:]
		return line, nil, nil
	}
	if l.ended {
		return "", nil, errNoMore
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return "", l.changed, nil
}

// rest is what next has not returned so far.
func (l *lines) rest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.Join(l.whole, "\n")
	if len(l.whole) > 0 && !l.cut {
		text += "\n"
	}
	l.whole = nil
	return text
}

// tailBytes bounds what is kept of a child's stderr: enough for the stacks of a few hundred
// goroutines.
const tailBytes = 1 << 18

// tail is the last of a child's stderr. The zero value is ready for use.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

// Write takes a piece of output. It never fails.
func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, p...)
	if over := len(w.kept) - tailBytes; over > 0 {
		w.kept = append(w.kept[:0], w.kept[over:]...)
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.kept)
}
