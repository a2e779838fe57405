package shmlog_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	"github.com/shmkit/shmkit/shmlog"
)

func fileListener(t *testing.T, seg *shm.Segment) (l *shmlog.Listener, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if l, err = shmlog.NewListener(seg, "log", slog.NewJSONHandler(f, nil)); err != nil {
		t.Fatal(err)
	}
	return l, path
}

// What a process had handed over before it was killed is there, nothing is torn, and others go on.
// No listener has to be there.
func TestLogSurvivesDeath(t *testing.T) {
	seg, name := namedSegment(t)
	handed := map[string]int{}
	for range 5 {
		c := startReady(t, roleLogger, name, "1m", "2000")
		proctest.Stagger(16 * time.Millisecond)
		c.Kill()
		n, err := shm.OpenInt64(seg, handedBy(c.PID()))
		if err != nil {
			t.Fatal(err)
		}
		handed[strconv.Itoa(c.PID())] = int(n.Load())
	}
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Process: "survivor"})
	if err != nil {
		t.Fatal(err)
	}
	handed["survivor"] = 10
	for i := range handed["survivor"] {
		slog.New(h).Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i), i))
	}
	l, file := fileListener(t, seg)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := readLog(t, file)
	for process, n := range handed {
		// The one more was handed over, but not counted.
		if k := got.of[process]; k != n && k != n+1 || got.gaps[process] != 0 {
			t.Errorf("%s: %d records of %d, %d missing between", process, k, n, got.gaps[process])
		}
	}
	if l.Dropped() != 0 {
		t.Errorf("%d dropped", l.Dropped())
	}
}

// A listener that is killed costs at most the record in its hands, and the next one goes on.
func TestLogListenerIsKilled(t *testing.T) {
	const count, kills = 4000, 3
	_, name := namedSegment(t)
	files := filepath.Join(t.TempDir(), "log")
	listener := startReady(t, roleLogListener, name, files+"0")
	logger := startReady(t, roleLogger, name, "1m", strconv.Itoa(count))
	for i := range kills {
		proctest.Stagger(10 * time.Millisecond)
		listener.Kill()
		listener = startReady(t, roleLogListener, name, fmt.Sprint(files, i+1))
	}
	if n := number(t, logger); n != count {
		t.Fatalf("%d records were logged", n)
	}
	logger.Send("end")
	logger.WaitOK()
	listener.Send("close")
	dropped := number(t, listener)
	listener.WaitOK()
	var all []byte
	for i := range kills + 1 {
		b, err := os.ReadFile(fmt.Sprint(files, i))
		if err != nil {
			t.Fatal(err)
		}
		// the kernel may write half of a line for a process that is killed
		all = append(all, b[:bytes.LastIndexByte(b, '\n')+1]...)
	}
	if err := os.WriteFile(files, all, 0o600); err != nil {
		t.Fatal(err)
	}
	got := readLog(t, files) // no record is there twice
	if missing := count - got.records - dropped; missing < 0 || missing > kills {
		t.Errorf("%d records and %d dropped of %d", got.records, dropped, count)
	}
}

// A process that is stopped, perhaps in the middle of a record, holds up no process that logs, and
// does not hold up the end of a listener for long. Later records are there for the next listener.
func TestStoppedLogger(t *testing.T) {
	seg, name := namedSegment(t)
	l, first := fileListener(t, seg)
	c := startReady(t, roleLogger, name, "1m", "1000000000")
	proctest.Stagger(2 * time.Millisecond)
	c.Signal(syscall.SIGSTOP)
	c.WaitStopped()
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Process: "other"})
	if err != nil {
		t.Fatal(err)
	}
	const count = 100
	for i := range count {
		slog.New(h).Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i%10), i%200))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c.Kill()
	l, second := fileListener(t, seg)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	one, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	both := filepath.Join(t.TempDir(), "both")
	if err := os.WriteFile(both, bytes.Join([][]byte{one, two}, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, both); got.of["other"]+got.dropped != count && got.of["other"] != count {
		t.Errorf("%v, %d dropped", got.of, got.dropped)
	}
}
