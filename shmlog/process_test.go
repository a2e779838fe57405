package shmlog_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	"github.com/shmkit/shmkit/shmlog"
)

// roleLogger: SEGMENT DURATION COUNT. It logs for so long, but not more than so many records, each
// with its number and a text, and keeps count in shared memory of those that it has handed over.
// Then it says how many, and waits for a line.
var roleLogger = proctest.Register("logger", func(args []string) {
	seg, err := shm.Open(args[0])
	exit(err)
	duration, err := time.ParseDuration(args[1])
	exit(err)
	count, err := strconv.Atoi(args[2])
	exit(err)
	handed, err := shm.NewInt64(seg, handedBy(os.Getpid()), 0)
	exit(err)
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Process: strconv.Itoa(os.Getpid()), Capacity: 8 << 20})
	exit(err)
	log := slog.New(h)
	proctest.Say("ready")
	i := 0
	for end := time.Now().Add(duration); i < count && time.Now().Before(end); {
		log.Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i%10), i%200))
		i++
		handed.Store(int64(i))
		if i%64 == 0 {
			proctest.Stagger(100 * time.Microsecond)
		}
	}
	proctest.Say(strconv.Itoa(i))
	proctest.Hear()
})

func handedBy(pid int) string { return fmt.Sprint("handed.", pid) }

// roleLogListener: SEGMENT FILE. It appends the log to the file until it hears a line, and says how
// many records were dropped.
var roleLogListener = proctest.Register("log-listener", func(args []string) {
	seg, err := shm.Open(args[0])
	exit(err)
	f, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	exit(err)
	l, err := shmlog.NewListener(seg, "log", slog.NewJSONHandler(f, nil))
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

// readLog checks that each line is a whole record and those of each process are in order, and
// counts them.
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

// Two programs log to one file through a third as fast as they can: every record is whole and in
// order, and each one is there or counted as dropped.
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
