package shmlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shmlog"
)

// A printed implements what its name says; on a nil pointer all of them panic.
type (
	inText   struct{ s string }
	inJSON   struct{ s string }
	inBinary struct{ s string }
	asString struct{ s string }
	asError  struct{ s string }
	bothOfIt struct{ s string }
	badText  struct{ panics bool }
	badJSON  struct{ panics bool }
	badError struct{}
	badBin   struct{ N int }
)

func (p inText) MarshalText() ([]byte, error)     { return []byte("<" + p.s + ">"), nil }
func (p inJSON) MarshalJSON() ([]byte, error)     { return json.Marshal(map[string]string{"s": p.s}) }
func (p inBinary) MarshalBinary() ([]byte, error) { return []byte(p.s), nil }
func (p asString) String() string                 { return "string " + p.s }
func (p asError) Error() string                   { return "error " + p.s }
func (p bothOfIt) Error() string                  { return "error " + p.s }
func (p bothOfIt) MarshalJSON() ([]byte, error)   { return json.Marshal([]string{p.s}) }
func (p badText) MarshalText() ([]byte, error)    { return nil, p.fail() }
func (p badJSON) MarshalJSON() ([]byte, error)    { return nil, badText(p).fail() }
func (badError) Error() string                    { panic("no error") }
func (badBin) MarshalBinary() ([]byte, error)     { panic("no bytes") }

func (p badText) fail() error {
	if p.panics {
		panic("no text")
	}
	return errors.New("it will not")
}

// standard are values and how they are called.
func standard() map[string]any {
	link, _ := url.Parse("http://example.org/?a=<b>&c")
	return map[string]any{
		"nil": nil, "nil text": (*inText)(nil), "nil json": (*inJSON)(nil), "nil error": (*asError)(nil), "nil string": (*asString)(nil), "nil int": (*int)(nil),
		"nil map": map[string]int(nil), "nil slice": []string(nil), "nil bytes": []byte(nil), "nil raw": json.RawMessage(nil), "nil both": (*bothOfIt)(nil), "nil url": (*url.URL)(nil),
		"text": inText{"a b"}, "json": inJSON{"<a>"}, "binary": inBinary{"x"}, "string": asString{"x"}, "error": asError{"x"}, "both": bothOfIt{"x"},
		"pointer": &inText{"p"}, "raw": json.RawMessage(`{"a":[1, 2], "b":null}`), "bad raw": json.RawMessage(`{`), "bytes": []byte("bytes"), "number": json.Number("12"),
		"struct": struct {
			A int `json:"a,omitempty"`
			B []any
			c bool
		}{B: []any{1, "x", nil}, c: true},
		"map": map[string]any{"b": 1.5, "a": map[int]bool{1: true}}, "func": func() {} == nil, "chan": struct{ F chan int }{}, "complex": 1i, "big": big.NewInt(99), "addr": netip.MustParseAddr("::1"),
		"url": link, "duration": []time.Duration{time.Second}, "time": &time.Time{}, "wrapped": fmt.Errorf("a: %w", io.EOF), "level": slog.LevelWarn,
		"text fails": badText{}, "json fails": badJSON{}, "text panics": badText{true}, "json panics": badJSON{true}, "error panics": badError{}, "binary panics": badBin{1},
		"in struct": struct{ P *inText }{}, "deep panic": map[string]any{"x": badJSON{true}},
	}
}

// noTime leaves the time out.
var noTime = &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return a
}}

// throughLog is what a handler prints for a value that comes through a log.
func throughLog(t *testing.T, to func(io.Writer) slog.Handler, v any) string {
	t.Helper()
	seg, _ := logSegment(t)
	var out bytes.Buffer
	l, err := shmlog.NewListener(seg, "log", to(&out))
	if err != nil {
		t.Fatal(err)
	}
	h, err := shmlog.NewHandler(seg, "log", shmlog.Options{Process: "me"})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("m", "v", v)
	slog.New(h).With("v", v).Info("m")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Values come out of a log as the standard handlers print them without one; panics of their
// methods, too, which never reach the caller.
func TestLogPrintsAsStandardHandlersDo(t *testing.T) {
	for kind, to := range map[string]func(io.Writer) slog.Handler{
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, noTime) },
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, noTime) },
	} {
		for name, v := range standard() {
			var want bytes.Buffer
			direct := slog.New(to(&want)).With("process", "me")
			direct.Info("m", "v", v)
			direct.With("v", v).Info("m")
			if got := throughLog(t, to, v); got != want.String() {
				t.Errorf("%s, %s:\n got %swant %s", kind, name, got, want.String())
			}
		}
	}
}

// A value that contains itself costs its record no more than the value.
func TestLogOfCyclicValues(t *testing.T) {
	m := map[string]any{}
	m["m"] = []any{m}
	s := []any{nil}
	s[0] = struct{ S any }{s}
	type node struct{ Next any }
	n := &node{}
	n.Next = n
	tree := map[string]any{"func": func() {}} // which JSON refuses before it comes upon the cycle
	tree["tree"] = tree
	for _, v := range []any{m, s, n, tree, &m} {
		for _, to := range []func(io.Writer) slog.Handler{
			func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, noTime) },
			func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, noTime) },
		} {
			if got := throughLog(t, to, v); strings.Count(got, "\n") != 2 || len(got) > 2000 {
				t.Errorf("%T: %s", v, got)
			}
		}
	}
}
