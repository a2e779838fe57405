package pool_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

func logSegment(t testing.TB) (seg *shm.Segment, path string) {
	t.Helper()
	path = filepath.Join(proctest.Dir(t), "segment")
	seg, err := shm.Create(path, shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	return seg, path
}

// The way through the queue changes nothing of what a handler must do.
func TestLogHandlerConforms(t *testing.T) {
	seg, _ := logSegment(t)
	n := 0
	var out bytes.Buffer
	var listener *pool.LogListener
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		n++
		name := fmt.Sprint("log", n)
		out.Reset()
		h, err := pool.NewLogHandler(seg, name, pool.LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if listener, err = pool.NewLogListener(seg, name, slog.NewJSONHandler(&out, nil)); err != nil {
			t.Fatal(err)
		}
		return h
	}, func(t *testing.T) map[string]any {
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		m := map[string]any{}
		if err := json.Unmarshal(out.Bytes(), &m); err != nil {
			t.Fatalf("%v: %q", err, out.String())
		}
		return m
	})
}

type point struct{ X, Y int }

// Values of every kind arrive as they were, or as text.
func TestLogValues(t *testing.T) {
	seg, _ := logSegment(t)
	var out bytes.Buffer
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Process: "me", Level: slog.LevelDebug})
	if err != nil {
		t.Fatal(err)
	}
	l, err := pool.NewLogListener(seg, "log", slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).With("a", 1).WithGroup("g").Debug("all",
		"s", "x", "i", -3, "u", uint64(1)<<63, "f", 1.5, "b", true, "d", time.Second, "t", time.Unix(0, 0).UTC(),
		"e", errors.New("bad"), "p", point{1, 2}, "m", map[int]string{1: "one"}, "l", []int{1, 2}, "fn", func() {} == nil, "nil", nil)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := `{"level":"DEBUG","msg":"all","process":"me","a":1,"g":{"s":"x","i":-3,"u":9223372036854775808,"f":1.5,"b":true,"d":1000000000,` +
		`"t":"1970-01-01T00:00:00Z","e":"bad","p":{"X":1,"Y":2},"m":{"1":"one"},"l":[1,2],"fn":false,"nil":null}}`
	if got := strings.TrimSpace(out.String()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// roleLogger: SEGMENT COUNT. It logs so many records, or until it is killed, each with its number and a text.
var roleLogger = proctest.Register("logger", func(args []string) {
	seg, err := shm.Open(args[0])
	exit(err)
	n, err := strconv.Atoi(args[1])
	exit(err)
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{})
	exit(err)
	log := slog.New(h)
	proctest.Say("ready")
	for i := 0; n < 0 || i < n; i++ {
		log.Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i%10), i%200))
		if i%64 == 0 {
			time.Sleep(50 * time.Microsecond)
		}
	}
})

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// A logLine is a line of the file.
type logLine struct {
	Msg, Process, Text string
	N                  int
	Dropped            int
}

// readLog checks that each line is a whole record and those of each process are in order, and counts them.
func readLog(t *testing.T, path string) (records, dropped int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	last := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l logLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%v: %q", err, lines.Text())
		}
		dropped += l.Dropped
		if l.Msg != "record" {
			continue
		}
		before, ok := last[l.Process]
		if ok && l.N <= before || l.Text != strings.Repeat(strconv.Itoa(l.N%10), l.N%200) {
			t.Fatalf("after %d of %s comes %+v", before, l.Process, l)
		}
		last[l.Process] = l.N
		records++
	}
	return records, dropped
}

func fileListener(t *testing.T, seg *shm.Segment) (l *pool.LogListener, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if l, err = pool.NewLogListener(seg, "log", slog.NewJSONHandler(f, nil)); err != nil {
		t.Fatal(err)
	}
	return l, path
}

// Two processes log to one file as fast as they can: every record is whole and in order, and each one is there or counted as
// dropped.
func TestTwoProcessesLogToOneFile(t *testing.T) {
	n := 20_000
	if os.Getenv("SHMKIT_LONG") != "" {
		n = 400_000 // some ten seconds
	}
	seg, path := logSegment(t)
	l, file := fileListener(t, seg)
	var children []*proctest.Child
	for range 2 {
		children = append(children, proctest.Start(t, roleLogger, path, strconv.Itoa(n)))
	}
	for _, c := range children {
		c.Expect("ready")
	}
	for _, c := range children {
		c.WaitOK()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	records, dropped := readLog(t, file)
	t.Logf("%d records, %d dropped", records, dropped)
	if records+dropped != 2*n || uint64(dropped) != l.Dropped() {
		t.Errorf("%d records and %d dropped of %d", records, dropped, 2*n)
	}
}

// What a process had logged before it was killed is not lost, and no record is torn.
func TestLogSurvivesDeath(t *testing.T) {
	seg, path := logSegment(t)
	l, file := fileListener(t, seg)
	for range 5 {
		c := proctest.Start(t, roleLogger, path, "-1")
		c.Expect("ready")
		time.Sleep(5 * time.Millisecond)
		c.Kill()
	}
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Process: "survivor"})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("record", "n", 0, "text", "")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if records, _ := readLog(t, file); records < 2 {
		t.Errorf("%d records", records)
	}
	b, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(b, []byte(`"process":"survivor"`)) {
		t.Errorf("the survivor's record is missing: %v", err)
	}
}

// A stopped listener, and none at all, hold up nobody: what there is no room for is dropped, counted and reported.
func TestFullLogDrops(t *testing.T) {
	seg, _ := logSegment(t)
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Capacity: 4096})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	const n = 1000
	var slowest time.Duration
	for i := range n {
		began := time.Now()
		log.Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i%10), i%200))
		slowest = max(slowest, time.Since(began))
	}
	log.Info("too long", "text", strings.Repeat("x", 10_000))
	if slowest > time.Second {
		t.Errorf("a record took %v", slowest)
	}
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := pool.NewLogListener(seg, "log", slog.NewJSONHandler(f, nil))
	if err != nil {
		t.Fatal(err)
	}
	log.Info("record", "n", n, "text", strings.Repeat(strconv.Itoa(n%10), n%200))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	records, _ := readLog(t, path)
	if records < 5 || uint64(records)+l.Dropped() != n+2 {
		t.Errorf("%d records, %d dropped", records, l.Dropped())
	}
}

// A listener reports what was dropped while it ran.
func TestDroppedIsReported(t *testing.T) {
	seg, _ := logSegment(t)
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Capacity: 1000})
	if err != nil {
		t.Fatal(err)
	}
	l, file := fileListener(t, seg)
	slog.New(h).Info("too long", "text", strings.Repeat("x", 10_000))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, dropped := readLog(t, file); dropped != 1 || l.Dropped() != 1 {
		t.Errorf("%d reported, %d dropped", dropped, l.Dropped())
	}
}

// A handler that fails does not end the listener; Close tells.
func TestListenerTellsOfErrors(t *testing.T) {
	seg, _ := logSegment(t)
	bad := errors.New("disk full")
	l, err := pool.NewLogListener(seg, "log", failing{err: bad})
	if err != nil {
		t.Fatal(err)
	}
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("a")
	slog.New(h).Info("b")
	if err := l.Close(); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	if _, err := pool.NewLogListener(seg, "log", h); err == nil {
		t.Error("a listener may write to its own log")
	}
}

type failing struct {
	slog.Handler
	err error
}

func (f failing) Enabled(context.Context, slog.Level) bool  { return true }
func (f failing) Handle(context.Context, slog.Record) error { return f.err }

// Many goroutines log through one handler and its children.
func TestLogFromManyGoroutines(t *testing.T) {
	seg, _ := logSegment(t)
	l, file := fileListener(t, seg)
	var all sync.WaitGroup
	const goroutines, each = 8, 200
	for i := range goroutines {
		h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Process: fmt.Sprint("g", i)})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h).With("x", i)
		all.Go(func() {
			for n := range each {
				log.Info("record", "n", n, "text", strings.Repeat(strconv.Itoa(n%10), n%200))
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if records, dropped := readLog(t, file); records+dropped != goroutines*each {
		t.Errorf("%d records, %d dropped", records, dropped)
	}
}

// A writer that is stopped in the middle of a record holds up its own record and what comes later, and nobody who logs.
func TestStoppedLogger(t *testing.T) {
	seg, path := logSegment(t)
	c := proctest.Start(t, roleLogger, path, "-1")
	c.Expect("ready")
	time.Sleep(time.Millisecond)
	c.Signal(syscall.SIGSTOP)
	c.WaitStopped()
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Process: "other"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 100 {
		slog.New(h).Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i%10), i%200))
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("100 records took %v", took)
	}
	c.Kill()
}
