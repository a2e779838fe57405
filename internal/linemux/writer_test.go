package linemux

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A recorder is a destination that notes each Write.
type recorder struct {
	mu     sync.Mutex
	writes []string
	err    error
	gate   chan struct{} // if not nil, a Write waits until it is closed
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, string(b))
	return len(b), r.err
}

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writes
}

// Whatever the pieces are, each line comes whole, in one Write, with the worker before it.
func TestStderrLineByLine(t *testing.T) {
	const text = "one\n\ntwo ärger\r\n\xff\xfe\nlast"
	want := []string{"[Worker-2 12345] one\n", "[Worker-2 12345] \n", "[Worker-2 12345] two ärger\r\n", "[Worker-2 12345] \xff\xfe\n", "[Worker-2 12345] last\n"}
	for piece := 1; piece <= len(text); piece++ {
		for startAt := 0; startAt < len(text); startAt += 5 { // the process id is known at any time
			r := &recorder{}
			w := NewWriter(NewSink(r), "Worker-2")
			for at := 0; at < len(text); at += piece {
				if at >= startAt && at-piece < startAt {
					w.Started(12345)
				}
				if n, err := w.Write([]byte(text[at:min(at+piece, len(text))])); err != nil || n != min(piece, len(text)-at) {
					t.Fatalf("%d, %v", n, err)
				}
			}
			w.Started(12345)
			w.Close()
			w.Close()
			if got := r.got(); strings.Join(got, "") != strings.Join(want, "") || len(got) != len(want) {
				t.Fatalf("pieces of %d, started at %d: %q", piece, startAt, got)
			}
			if w.String() != "one\n\ntwo ärger\r\n?\nlast" {
				t.Fatalf("%q", w.String())
			}
		}
	}
}

// A worker that never had a process id is passed on, too.
func TestStderrWithoutStart(t *testing.T) {
	r := &recorder{}
	w := NewWriter(NewSink(r), "Worker-2")
	w.Write([]byte("a\nb"))
	w.Close()
	if got := r.got(); len(got) != 2 || got[0] != "[Worker-2] a\n" || got[1] != "[Worker-2] b\n" {
		t.Errorf("%q", got)
	}
}

func TestStderrLongLines(t *testing.T) {
	const prefix = "[Worker-1 7] "
	// 2 bytes each, so that no cut falls between them by chance
	long := strings.Repeat("ä", maxLineBytes+1)
	for _, text := range []string{"x" + long + "\nshort", long, strings.Repeat("x", maxLineBytes) + "\nshort", strings.Repeat("x", maxLineBytes+1), strings.Repeat("\x80", 3*maxLineBytes)} {
		r := &recorder{}
		w := NewWriter(NewSink(r), "Worker-1")
		w.Started(7)
		for b := []byte(text); len(b) > 0; {
			n := min(len(b), 1+rand.IntN(40_000))
			w.Write(b[:n])
			b = b[n:]
		}
		w.Close()
		var all strings.Builder
		for _, line := range r.got() {
			line, ok := strings.CutPrefix(line, prefix)
			if !ok || len(line) > maxLineBytes+1 || utf8.ValidString(text) != utf8.ValidString(line) {
				t.Errorf("%d bytes, with prefix %v, whole runes %v", len(line), ok, utf8.ValidString(line))
			}
			all.WriteString(strings.TrimSuffix(line, "\n"))
		}
		if all.String() != strings.ReplaceAll(text, "\n", "") {
			t.Errorf("%d bytes become %d in %d lines", len(text), all.Len(), len(r.got()))
		}
	}
}

// What is kept begins with a whole line, is valid, and is bounded.
func TestStderrKeepsTheEnd(t *testing.T) {
	for _, piece := range []int{1, 7, 4095, 4096, 4097, 10_000, 100_000} {
		w := NewWriter(NewSink(&recorder{}), "Worker-1")
		w.Started(7)
		var b bytes.Buffer
		for i := range 600 {
			fmt.Fprintf(&b, "line %d %s\n", i, strings.Repeat("ö", i%40))
		}
		for text := b.Bytes(); len(text) > 0; {
			n := min(piece, len(text))
			w.Write(text[:n])
			text = text[n:]
			last := w.String()
			if !strings.HasPrefix(last, "line ") && last != "" && len(last) > 4 || len(last) > lastBytes || !utf8.ValidString(last) {
				t.Fatalf("%d bytes: %q", len(last), last)
			}
		}
		if last := w.String(); !strings.HasSuffix(b.String(), last) || len(last) < lastBytes-100 {
			t.Errorf("%d bytes are kept", len(last))
		}
		w.Write([]byte(strings.Repeat("ö", lastBytes)))
		if last := w.String(); last != strings.Repeat("ö", lastBytes/2) {
			t.Errorf("of a long line %d bytes are kept", len(last))
		}
		w.Write([]byte{'x'})
		if last := w.String(); last != strings.Repeat("ö", lastBytes/2-1)+"x" {
			t.Errorf("of a long line %d bytes are kept", len(last))
		}
		w.Write(bytes.Repeat([]byte{0x80}, 2*lastBytes))
		if last := w.String(); last != "?" {
			t.Errorf("of garbage %q is kept", last)
		}
	}
	exact := NewWriter(NewSink(&recorder{}), "Worker-1")
	line := strings.Repeat("x", lastBytes-1) + "\n"
	exact.Write([]byte("before\n" + line))
	if exact.String() != line {
		t.Error("a line that fits exactly is not kept")
	}
}

// Many workers share a destination: their lines do not mix, each one's are in order, and none is
// lost.
func TestStderrOfManyWorkers(t *testing.T) {
	const workers, lines = 8, 200
	r := &recorder{}
	s := NewSink(r)
	var all sync.WaitGroup
	for n := range workers {
		w := NewWriter(s, fmt.Sprint("Worker-", n))
		w.Started(n)
		all.Go(func() {
			for i := range lines {
				b := fmt.Appendf(nil, "%d %s\n", i, strings.Repeat("x", i%100))
				cut := rand.IntN(len(b))
				w.Write(b[:cut])
				w.Write(b[cut:])
			}
			w.Close()
		})
	}
	all.Wait()
	next := [workers]int{}
	for _, line := range r.got() {
		f := strings.Fields(line)
		n, err := strconv.Atoi(strings.TrimSuffix(f[1], "]"))
		if err != nil || f[0] != fmt.Sprint("[Worker-", n) {
			t.Fatalf("%q", line)
		}
		if line != fmt.Sprintf("[Worker-%d %d] %d %s\n", n, n, next[n], strings.Repeat("x", next[n]%100)) {
			t.Fatalf("in place of line %d: %q", next[n], line)
		}
		next[n]++
	}
	if len(r.got()) != workers*lines {
		t.Errorf("%d lines of %d", len(r.got()), workers*lines)
	}
}

// A destination that is held up makes no worker wait. Lines without room are counted, and the rest
// comes in order.
func TestStderrSlowDestination(t *testing.T) {
	r := &recorder{gate: make(chan struct{})}
	s := NewSink(r)
	w := NewWriter(s, "Worker-1")
	w.Started(7)
	const lines = 200
	line := strings.Repeat("x", 10_000) + "\n"
	for range lines {
		w.Write([]byte(line))
	}
	w.Close()
	if len(r.got()) != 0 {
		t.Fatal("the destination is not held up")
	}
	close(r.gate)
	s.flush(proctest.Hang)
	got := r.got()
	var dropped int
	if _, err := fmt.Sscanf(got[len(got)-1], "pool: %d lines", &dropped); err != nil || dropped == 0 || len(got)-1+dropped != lines {
		t.Errorf("%d lines, the last is %q, of %d", len(got), got[len(got)-1], lines)
	}
}

// A destination that fails loses what it is given, and no worker notices.
func TestStderrFailingDestination(t *testing.T) {
	r := &recorder{err: errors.New("disk full")}
	w := NewWriter(NewSink(r), "Worker-1")
	w.Started(7)
	for range 3 {
		if n, err := w.Write([]byte("x\n")); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		w.Close()
	}
	if len(r.got()) != 3 {
		t.Errorf("%d lines were tried", len(r.got()))
	}
}

// roleWriteStderr writes to its standard error in its ways, and dies.
var roleWriteStderr = proctest.Register("write-stderr", func([]string) {
	for i := range 1000 {
		print("line ", i, "\n") // several system calls
	}
	panic("last words")
})

// It works as the standard error of a process.
func TestStderrOfAProcess(t *testing.T) {
	r := &recorder{}
	w := NewWriter(NewSink(r), "Worker-1")
	c := proctest.Command(t, roleWriteStderr)
	c.Cmd.Stderr = w
	c.Start()
	w.Started(c.PID())
	c.Wait()
	w.Close()
	got := r.got()
	for i, line := range got[:min(1000, len(got))] {
		if want := fmt.Sprintf("[Worker-1 %d] line %d\n", c.PID(), i); line != want {
			t.Fatalf("%q, want %q", line, want)
		}
	}
	if !strings.Contains(w.String(), "panic: last words\n") {
		t.Errorf("%q", w.String())
	}
}

// Sinks of different destinations are different; the standard error of this process has one.
func TestSinkFor(t *testing.T) {
	a := &recorder{}
	if SinkFor(nil) != SinkFor(os.Stderr) || SinkFor(nil) == SinkFor(a) || SinkFor(nil) == SinkFor(incomparable{}) {
		t.Error("a destination has the sink of another one, or the standard error has two")
	}
	if again := SinkFor(a); again == SinkFor(a) {
		t.Error("two pools share a sink")
	}
}

// An incomparable is a destination that == cannot compare.
type incomparable []func()

func (incomparable) Write(b []byte) (int, error) { return len(b), nil }
