package pool_test

import (
	"bufio"
	"bytes"
	"encoding/json"
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
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// roleLogger: SEGMENT DURATION COUNT. It logs for so long, but not more than so many records, each with its number and a
// text, and keeps count in shared memory of those that it has handed over. Then it says how many, and waits for a line.
var roleLogger = proctest.Register("logger", func(args []string) {
	seg, err := shm.Open(args[0])
	exit(err)
	duration, err := time.ParseDuration(args[1])
	exit(err)
	count, err := strconv.Atoi(args[2])
	exit(err)
	handed, err := shm.NewInt64(seg, handedBy(os.Getpid()), 0)
	exit(err)
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Process: strconv.Itoa(os.Getpid()), Capacity: 8 << 20})
	exit(err)
	log := slog.New(h)
	proctest.Say("ready")
	i := 0
	for began := time.Now(); i < count && time.Since(began) < duration; {
		log.Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i%10), i%200))
		i++
		handed.Store(int64(i))
		if i%64 == 0 {
			time.Sleep(50 * time.Microsecond)
		}
	}
	proctest.Say(strconv.Itoa(i))
	proctest.Hear()
})

func handedBy(pid int) string { return fmt.Sprint("handed.", pid) }

// roleLogListener: SEGMENT FILE. It appends the log to the file until it hears a line, and says how many records were dropped.
var roleLogListener = proctest.Register("log-listener", func(args []string) {
	seg, err := shm.Open(args[0])
	exit(err)
	f, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	exit(err)
	l, err := pool.NewLogListener(seg, "log", slog.NewJSONHandler(f, nil))
	exit(err)
	proctest.Say("ready")
	proctest.Hear()
	exit(l.Close())
	proctest.Say(strconv.FormatUint(l.Dropped(), 10))
})

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// startReady starts a child and waits until it is ready.
func startReady(t *testing.T, role string, args ...string) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, role, args...)
	c.Expect("ready")
	return c
}

// number is the number that a child says.
func number(t *testing.T, c *proctest.Child) int {
	t.Helper()
	n, err := strconv.Atoi(c.Line())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A logLine is a line of the file.
type logLine struct {
	Msg, Process, Text string
	N                  int
	Dropped            int
}

// A logFile is what a file of the log has.
type logFile struct {
	records, dropped int
	of               map[string]int // records by process
	gaps             map[string]int // records that are missing between two others, by process
}

// readLog checks that each line is a whole record and those of each process are in order, and counts them.
func readLog(t *testing.T, path string) logFile {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := logFile{of: map[string]int{}, gaps: map[string]int{}}
	last := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l logLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%v: %q", err, lines.Text())
		}
		got.dropped += l.Dropped
		if l.Msg != "record" {
			continue
		}
		before, ok := last[l.Process]
		if !ok {
			before = -1
		}
		if l.N <= before || l.Text != strings.Repeat(strconv.Itoa(l.N%10), l.N%200) {
			t.Fatalf("after %d of %s comes %+v", before, l.Process, l)
		}
		got.gaps[l.Process] += l.N - before - 1
		last[l.Process] = l.N
		got.records++
		got.of[l.Process]++
	}
	return got
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

// namedSegment makes a segment that others find by its name alone.
func namedSegment(t *testing.T) (seg *shm.Segment, name string) {
	t.Helper()
	t.Setenv("SHMKIT_DIR", proctest.Dir(t))
	seg, err := shm.Create("records", shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	return seg, "records"
}

// Two programs log to one file through a third as fast as they can: every record is whole and in order, and each one is there or
// counted as dropped.
func TestTwoProcessesLogToOneFile(t *testing.T) {
	duration := "500ms"
	if os.Getenv("SHMKIT_LONG") != "" {
		duration = "10s"
	}
	_, name := namedSegment(t)
	file := filepath.Join(t.TempDir(), "log")
	listener := startReady(t, roleLogListener, name, file)
	loggers := []*proctest.Child{startReady(t, roleLogger, name, duration, "1000000000"), startReady(t, roleLogger, name, duration, "1000000000")}
	handed := 0
	for _, c := range loggers {
		handed += number(t, c)
		c.Send("end")
		c.WaitOK()
	}
	listener.Send("close")
	dropped := number(t, listener)
	listener.WaitOK()
	got := readLog(t, file)
	t.Logf("%d records, %d dropped", got.records, dropped)
	if got.records+dropped != handed || got.dropped != dropped || len(got.of) != 2 || got.records == 0 {
		t.Errorf("%d records of %v, and %d dropped, %d reported, of %d", got.records, got.of, dropped, got.dropped, handed)
	}
}

// What a process had handed over before it was killed is there, nothing is torn, and others go on. No listener has to be there.
func TestLogSurvivesDeath(t *testing.T) {
	seg, name := namedSegment(t)
	handed := map[string]int{}
	for i := range 5 {
		c := startReady(t, roleLogger, name, "1m", "2000")
		time.Sleep(time.Duration(1+3*i) * time.Millisecond)
		c.Kill()
		n, err := shm.OpenInt64(seg, handedBy(c.PID()))
		if err != nil {
			t.Fatal(err)
		}
		handed[strconv.Itoa(c.PID())] = int(n.Load())
	}
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Process: "survivor"})
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
		time.Sleep(5 * time.Millisecond)
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
		all = append(all, b[:bytes.LastIndexByte(b, '\n')+1]...) // the kernel may write half of a line for a process that is killed
	}
	if err := os.WriteFile(files, all, 0o600); err != nil {
		t.Fatal(err)
	}
	got := readLog(t, files) // no record is there twice
	if missing := count - got.records - dropped; missing < 0 || missing > kills {
		t.Errorf("%d records and %d dropped of %d", got.records, dropped, count)
	}
}

// A process that is stopped, perhaps in the middle of a record, holds up nobody who logs, nor the end of a listener for long. What lies
// behind its record is there for the next listener.
func TestStoppedLogger(t *testing.T) {
	seg, name := namedSegment(t)
	l, first := fileListener(t, seg)
	c := startReady(t, roleLogger, name, "1m", "1000000000")
	time.Sleep(time.Millisecond)
	c.Signal(syscall.SIGSTOP)
	c.WaitStopped()
	h, err := pool.NewLogHandler(seg, "log", pool.LogOptions{Process: "other"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	const count = 100
	for i := range count {
		slog.New(h).Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i%10), i%200))
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("%d records took %v", count, took)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the listener ends after %v", took)
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
