package logwire

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

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
	in := sampleRecord()
	out, err := Read(Append(nil, in, "me", nil, nil, 0))
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
	if out, err := Read(Append(nil, slog.Record{}, "me", nil, nil, 0)); err != nil || !out.Time.IsZero() {
		t.Errorf("a record without a time: %v, %v", out, err)
	}
}

// Groups within groups without end are cut off.
func TestDeepGroups(t *testing.T) {
	a := slog.Int("a", 1)
	for range 10 * maxDepth {
		a = slog.Group("g", a)
	}
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "deep", 0)
	r.AddAttrs(a)
	out, err := Read(Append(nil, r, "", nil, nil, 0))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	slog.NewTextHandler(&b, nil).Handle(t.Context(), out)
	if want := strings.Repeat("g.", maxDepth) + `g="!ERROR: groups are nested too deep"`; !strings.Contains(b.String(), " "+want) {
		t.Errorf("%s", b.String())
	}
}

// Bytes of whatever kind are a record or an error.
func TestHostileRecords(t *testing.T) {
	good := Append(nil, sampleRecord(), "me", nil, nil, 0)
	read := func(b []byte) error {
		r, err := Read(b)
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
		bad[0] = format
		read(bad)
	}
	for name, bad := range map[string][]byte{
		"nothing":        nil,
		"another format": append([]byte{format + 1}, good[1:]...),
		"a long text":    {format, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"a long number":  append([]byte{format, 0}, bytes.Repeat([]byte{0xff}, 20)...),
		"many groups":    append(good[:len(good):len(good)], bytes.Repeat([]byte{tokenGroup, 0}, 100_000)...),
		"an end":         append(good[:len(good):len(good)], tokenGroupEnd),
		"no such token":  append(good[:len(good):len(good)], 99, 0),
	} {
		if err := read(bad); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadRecord(f *testing.F) {
	f.Add(Append(nil, sampleRecord(), "me", nil, nil, 0))
	f.Fuzz(func(t *testing.T, b []byte) { Read(b) })
}
