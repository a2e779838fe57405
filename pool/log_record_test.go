package pool

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

func logSegment(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	return seg
}

// sampleRecord has values of all kinds that travel as they are.
func sampleRecord() slog.Record {
	r := slog.NewRecord(time.Unix(1_700_000_000, 123_456_789), slog.LevelWarn+1, "all kinds", 0)
	r.AddAttrs(
		slog.String("s", "text \xff"), slog.Int64("min", math.MinInt64), slog.Int64("max", math.MaxInt64), slog.Uint64("u", math.MaxUint64),
		slog.Float64("f", -1.5e300), slog.Bool("true", true), slog.Bool("false", false), slog.Duration("d", -time.Second),
		slog.Time("utc", time.Unix(5, 6).UTC()), slog.Time("zero", time.Time{}), slog.Time("east", time.Unix(7, 8).In(time.FixedZone("", 12_345))),
		slog.Group("g", slog.Int("a", 1), slog.Group("h", slog.String("", ""))), slog.Int("last", 1),
	)
	return r
}

func TestRecordRoundTrip(t *testing.T) {
	h := &LogHandler{o: LogOptions{Process: "me"}}
	in := sampleRecord()
	out, err := readRecord(h.append(nil, in))
	if err != nil {
		t.Fatal(err)
	}
	if !out.Time.Equal(in.Time) || out.Time.String() != in.Time.Round(0).String() || out.Level != in.Level || out.Message != in.Message {
		t.Errorf("%v, want %v", out, in)
	}
	attrsOf := func(r slog.Record) (attrs []slog.Attr) {
		r.Attrs(func(a slog.Attr) bool { attrs = append(attrs, a); return true })
		return attrs
	}
	got, want := attrsOf(out), append([]slog.Attr{slog.String(ProcessKey, "me")}, attrsOf(in)...)
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range got {
		if !got[i].Equal(want[i]) || got[i].String() != want[i].String() {
			t.Errorf("%v, want %v", got[i], want[i])
		}
	}
	if out, err := readRecord(h.append(nil, slog.Record{})); err != nil || !out.Time.IsZero() {
		t.Errorf("a record without a time: %v, %v", out, err)
	}
}

// Groups within groups without end are cut off.
func TestDeepGroups(t *testing.T) {
	a := slog.Int("a", 1)
	for range 10 * maxLogDepth {
		a = slog.Group("g", a)
	}
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "deep", 0)
	r.AddAttrs(a)
	out, err := readRecord((&LogHandler{}).append(nil, r))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	slog.NewTextHandler(&b, nil).Handle(t.Context(), out)
	if want := strings.Repeat("g.", maxLogDepth) + `g="!ERROR: groups are nested too deep"`; !strings.Contains(b.String(), " "+want) {
		t.Errorf("%s", b.String())
	}
}

// Bytes of whatever kind are a record or an error.
func TestHostileRecords(t *testing.T) {
	good := (&LogHandler{o: LogOptions{Process: "me"}}).append(nil, sampleRecord())
	read := func(b []byte) error {
		r, err := readRecord(b)
		if err == nil {
			err = slog.DiscardHandler.Handle(t.Context(), r)
			slog.NewJSONHandler(new(bytes.Buffer), nil).Handle(t.Context(), r)
		}
		return err
	}
	for n := range good {
		read(good[:n])
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[n] ^= 1 << bit
			read(bad)
		}
	}
	for range 20_000 {
		bad := make([]byte, 1+rand.IntN(60))
		for i := range bad {
			bad[i] = byte(rand.UintN(14))
		}
		bad[0] = logFormat
		read(bad)
	}
	for name, bad := range map[string][]byte{
		"nothing":        nil,
		"another format": append([]byte{logFormat + 1}, good[1:]...),
		"a long text":    {logFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"a long number":  append([]byte{logFormat, 0}, bytes.Repeat([]byte{0xff}, 20)...),
		"many groups":    append(good[:len(good):len(good)], bytes.Repeat([]byte{tokenGroup, 0}, 100_000)...),
		"an end":         append(good[:len(good):len(good)], tokenGroupEnd),
		"no such token":  append(good[:len(good):len(good)], 99, 0),
	} {
		if err := read(bad); !errors.Is(err, errLogRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A record that makes no sense is an error of the listener, and costs no other.
func TestListenerGoesOnAfterGarbage(t *testing.T) {
	seg := logSegment(t)
	h, err := NewLogHandler(seg, "log", LogOptions{Process: "me"})
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.OpenBytes(seg, "log", queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.TryPut([]byte("garbage")); err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("good")
	var b bytes.Buffer
	l, err := NewLogListener(seg, "log", slog.NewTextHandler(&b, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, errLogRecord) {
		t.Error(err)
	}
	if !strings.HasSuffix(b.String(), "level=INFO msg=good process=me\n") {
		t.Errorf("%q", b.String())
	}
}

// A record with values of slog's own kinds takes no memory, whether there is room for it or not.
func TestLogHandlerAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector has sync.Pool forget buffers")
	}
	handler, err := NewLogHandler(logSegment(t), "log", LogOptions{Process: "me", Capacity: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	h := handler.WithAttrs([]slog.Attr{slog.String("a", "b")}).WithGroup("g")
	n := testing.AllocsPerRun(1000, func() {
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "request served", 0)
		r.AddAttrs(slog.Int("status", 200), slog.String("path", "/index.html"), slog.Duration("took", time.Millisecond))
		h.Handle(context.Background(), r)
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
	if handler.log.dropped.Sum() == 0 || handler.log.records.Len() == 0 {
		t.Error("the log is not full")
	}
}

func FuzzReadRecord(f *testing.F) {
	f.Add((&LogHandler{o: LogOptions{Process: "me"}}).append(nil, sampleRecord()))
	f.Fuzz(func(t *testing.T, b []byte) { readRecord(b) })
}

func BenchmarkLogHandler(b *testing.B) {
	handler, err := NewLogHandler(logSegment(b), "log", LogOptions{Process: "me"})
	if err != nil {
		b.Fatal(err)
	}
	h := handler.WithAttrs([]slog.Attr{slog.String("a", "b")}).WithGroup("g")
	handle := func() {
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "request served", 0)
		r.AddAttrs(slog.Int("status", 200), slog.String("path", "/index.html"), slog.Duration("took", time.Millisecond))
		h.Handle(context.Background(), r)
	}
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			handle()
			handler.log.records.TryGet()
		}
	})
	b.Run("full", func(b *testing.B) {
		b.ReportAllocs()
		for range 50_000 {
			handle()
		}
		for b.Loop() {
			handle()
		}
	})
}
