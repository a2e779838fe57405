package shmlog_test

import (
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
	"testing"
	"testing/slogtest"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	"github.com/shmkit/shmkit/shmlog"
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
	var listener *shmlog.Listener
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		n++
		name := fmt.Sprint("log", n)
		out.Reset()
		h, err := shmlog.NewHandler(seg, name, shmlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if listener, err = shmlog.NewListener(seg, name, slog.NewJSONHandler(&out, nil)); err != nil {
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

// The source is that of the program's own line; what the codec cannot take is its text.
func TestLogSource(t *testing.T) {
	seg, _ := logSegment(t)
	var out bytes.Buffer
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{AddSource: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := shmlog.NewListener(seg, "log", slog.NewTextHandler(&out, nil))
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("a", "odd", struct{ F func() }{}, "stringer", slog.LevelWarn)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(out.String(), "source=")
	at, rest, _ := strings.Cut(got, " ")
	me := fmt.Sprintf("%s[%d]", filepath.Base(os.Args[0]), os.Getpid())
	if !strings.Contains(at, "shmlog/log_test.go:") || rest != "odd={F:<nil>} stringer=WARN\n" || !strings.Contains(out.String(), " process="+me+" ") {
		t.Errorf("%q", out.String())
	}
}

// Hidden values show what they want to be, wherever they are.
type hidden struct{ value slog.Value }

func (h hidden) LogValue() slog.Value { return h.value }

type bomb struct{}

func (bomb) LogValue() slog.Value { panic("boom") }

func TestLogValuers(t *testing.T) {
	seg, _ := logSegment(t)
	var out bytes.Buffer
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Process: "me"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := shmlog.NewListener(seg, "log", slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	if err != nil {
		t.Fatal(err)
	}
	secret := hidden{slog.StringValue("***")}
	pair := hidden{slog.GroupValue(slog.Any("a", secret), slog.Int("b", 2))}
	log := slog.New(h).With("secret", secret).WithGroup("g").With("pair", pair).WithGroup("empty")
	log.Info("nothing")
	log.Info("all", "twice", hidden{slog.AnyValue(secret)}, slog.Group("in", "pair", pair), slog.Group("", "flat", 1), "bomb", bomb{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, _, _ := strings.Cut(out.String(), "LogValue panicked")
	want := "level=INFO msg=nothing process=me secret=*** g.pair.a=*** g.pair.b=2\n" +
		"level=INFO msg=all process=me secret=*** g.pair.a=*** g.pair.b=2 g.empty.twice=*** g.empty.in.pair.a=*** g.empty.in.pair.b=2 g.empty.flat=1 g.empty.bomb=\""
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

type point struct{ X, Y int }

// Values of every kind arrive as they were, or as text.
func TestLogValues(t *testing.T) {
	seg, _ := logSegment(t)
	var out bytes.Buffer
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Process: "me", Level: slog.LevelDebug})
	if err != nil {
		t.Fatal(err)
	}
	l, err := shmlog.NewListener(seg, "log", slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
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

// A stopped listener, or none, holds up no process that logs: records without room are dropped,
// counted and reported.
func TestFullLogDrops(t *testing.T) {
	seg, _ := logSegment(t)
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Capacity: 4096})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	const n = 1000
	for i := range n {
		log.Info("record", "n", i, "text", strings.Repeat(strconv.Itoa(i%10), i%200))
	}
	log.Info("too long", "text", strings.Repeat("x", 10_000))
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := shmlog.NewListener(seg, "log", slog.NewJSONHandler(f, nil))
	if err != nil {
		t.Fatal(err)
	}
	log.Info("record", "n", n, "text", strings.Repeat(strconv.Itoa(n%10), n%200))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := readLog(t, path)
	if got.records < 5 || got.dropped == 0 || got.records+got.dropped != n+2 || uint64(got.dropped) != l.Dropped() {
		t.Errorf("%d records, %d dropped, %d reported", got.records, l.Dropped(), got.dropped)
	}
}

// A listener reports what was dropped while it ran.
func TestDroppedIsReported(t *testing.T) {
	seg, _ := logSegment(t)
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Capacity: 1000})
	if err != nil {
		t.Fatal(err)
	}
	l, file := fileListener(t, seg)
	slog.New(h).Info("too long", "text", strings.Repeat("x", 10_000))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, file); got.dropped != 1 || l.Dropped() != 1 {
		t.Errorf("%d reported, %d dropped", got.dropped, l.Dropped())
	}
	l, file = fileListener(t, seg)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, file); got.dropped != 0 || l.Dropped() != 1 {
		t.Errorf("the next listener reports %d again, %d dropped", got.dropped, l.Dropped())
	}
}

// A handler that fails does not end the listener; Close tells.
func TestListenerTellsOfErrors(t *testing.T) {
	seg, _ := logSegment(t)
	bad := errors.New("disk full")
	l, err := shmlog.NewListener(seg, "log", failing{Err: bad})
	if err != nil {
		t.Fatal(err)
	}
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("a")
	slog.New(h).Info("b")
	if err := l.Close(); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	if _, err := shmlog.NewListener(seg, "log", h); err == nil {
		t.Error("a listener may write to its own log")
	}
}

type failing struct {
	slog.Handler
	Err error
}

func (f failing) Enabled(context.Context, slog.Level) bool  { return true }
func (f failing) Handle(context.Context, slog.Record) error { return f.Err }

// Many goroutines log through one handler and its children.
func TestLogFromManyGoroutines(t *testing.T) {
	seg, _ := logSegment(t)
	l, file := fileListener(t, seg)
	var all sync.WaitGroup
	const goroutines, each = 8, 200
	for i := range goroutines {
		h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Process: fmt.Sprint("g", i)})
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
	if got := readLog(t, file); got.records+got.dropped != goroutines*each {
		t.Errorf("%d records, %d dropped", got.records, got.dropped)
	}
}
