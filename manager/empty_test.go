package manager

import (
	"context"
	"iter"
	"reflect"
	"testing"
)

// A tray has what it was opened with.
type tray struct{ first []byte }

var (
	Tray       = Define("tray", func(_ context.Context, first []byte) (*tray, error) { return &tray{first}, nil })
	First      = Method(Tray, "first", func(s *tray, _ context.Context, _ struct{}) ([]byte, error) { return s.first, nil })
	SameBytes  = Method(Tray, "same bytes", func(_ *tray, _ context.Context, b []byte) ([]byte, error) { return b, nil })
	SameInts   = Method(Tray, "same ints", func(_ *tray, _ context.Context, s []int64) ([]int64, error) { return s, nil })
	SameTexts  = Method(Tray, "same texts", func(_ *tray, _ context.Context, s []string) ([]string, error) { return s, nil })
	TwiceBytes = Yields(Tray, "twice bytes", func(_ *tray, _ context.Context, b []byte) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			if yield(b, nil) {
				yield(b, nil)
			}
		}
	})
)

// A slice that is empty arrives empty, and one that is nil arrives nil: as an argument, a result, a
// value of an iteration, and as what an object is opened with.
func TestEmptyIsNotNil(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			m := start(t, o)
			for i, first := range [][]byte{nil, {}, {1}} {
				s, err := Tray.New(background, m, first)
				if err != nil {
					t.Fatal(err)
				}
				wantSame(t, First, s, struct{}{}, first)
				named, err := Tray.Named(background, m, string(rune('a'+i)), first)
				if err != nil {
					t.Fatal(err)
				}
				wantSame(t, First, named, struct{}{}, first)
			}
			s, err := Tray.New(background, m, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 100 { // enough for the methods to be known as quick
				for _, b := range [][]byte{nil, {}, {1}} {
					wantSame(t, SameBytes, s, b, b)
				}
			}
			for _, v := range [][]int64{nil, {}, {1}} {
				wantSame(t, SameInts, s, v, v)
			}
			for _, v := range [][]string{nil, {}, {""}} {
				wantSame(t, SameTexts, s, v, v)
			}
			for _, b := range [][]byte{nil, {}, {1}} {
				n := 0
				for got, err := range TwiceBytes.Each(background, s, b) {
					if err != nil || !reflect.DeepEqual(got, b) {
						t.Errorf("%#v is yielded as %#v, error %v", b, got, err)
					}
					n++
				}
				if n != 2 {
					t.Errorf("%d values", n)
				}
			}
		})
	}
}

// wantSame wants a result of a call, and of one that does not wait.
func wantSame[T, A, R any](t *testing.T, c *Call[T, A, R], r *Ref[T], a A, want R) {
	t.Helper()
	if got, err := c.Call(background, r, a); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %#v for %#v, error %v", c.m.name, got, want, err)
	}
	if got, err := c.Go(background, r, a).Get(background); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, without a wait: %#v for %#v, error %v", c.m.name, got, want, err)
	}
}
