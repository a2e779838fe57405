package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// An unsendable is a value that cannot travel, although its type does not show it.
type unsendable struct{ C any }

var sendable = pool.Define("unsendable", func(_ context.Context, u unsendable) (unsendable, error) { return u, nil })

var badResult = pool.Define("bad result", func(_ context.Context, n int64) (any, error) {
	if n == 0 {
		return func() {}, nil
	}
	return n, nil
})

// A stubborn does not let itself be sent or received, in a way that says where.
type stubborn struct{ how string }

func (s stubborn) MarshalBinary() ([]byte, error) {
	switch s.how {
	case "marshal error":
		return nil, fmt.Errorf("it will not go: %w", errKnown)
	case "marshal panic":
		panic("it will not go")
	}
	return []byte(s.how), nil
}

func (s *stubborn) UnmarshalBinary(b []byte) error {
	switch s.how = string(b); s.how {
	case "unmarshal error":
		return fmt.Errorf("it will not come: %w", errKnown)
	case "unmarshal panic":
		panic("it will not come")
	}
	return nil
}

var takeStubborn = pool.Define("take stubborn", func(_ context.Context, s stubborn) (string, error) { return s.how, nil })

var makeStubborn = pool.Define("make stubborn", func(_ context.Context, how string) (stubborn, error) { return stubborn{how}, nil })

// A48: an argument or result that cannot be encoded or decoded, 20 times; the workers stay.
func TestUnsendable(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		ready(t, p, 2)
		before := p.Stats()
		argument := func(how string) error { _, err := pool.Apply(t.Context(), p, takeStubborn, stubborn{how}); return err }
		result := func(how string) error { _, err := pool.Apply(t.Context(), p, makeStubborn, how); return err }
		for range 20 {
			_, err := pool.Map(t.Context(), p, sendable, []unsendable{{make(chan int)}})
			wantWords(t, err, `"unsendable"`, "argument")
			_, err = pool.Map(t.Context(), p, badResult, []int64{0})
			wantWords(t, err, `"bad result"`, "result")
			for _, half := range []string{"marshal", "unmarshal"} {
				for of, send := range map[string]func(string) error{"argument": argument, "result": result} {
					err := send(half + " error")
					wantWords(t, err, "it will not", of)
					if !errors.Is(err, errKnown) {
						t.Errorf("%v is not the error it was", err)
					}
					wantWords(t, send(half+" panic"), "it will not")
				}
			}
		}
		if got, err := pool.Map(t.Context(), p, badResult, []int64{1}); err != nil || len(got) != 1 {
			t.Fatalf("afterwards: %v, %v", got, err)
		}
		after := p.Stats()
		for i := range before.Workers {
			if after.Killed != 0 || after.Workers[i].PID != before.Workers[i].PID {
				t.Errorf("workers did not stay: %v, %v", before, after)
			}
		}
		wantNothingLeft(t, p)
	})
}

// Of several arguments those that cannot travel fail alone, in their place.
func TestUnsendableAmongOthers(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		hows := []string{"marshal error", "marshal panic", "unmarshal error", "unmarshal panic"}
		args := make([]stubborn, 40)
		for i := range args {
			if args[i].how = fmt.Sprint(i); i%4 == 3 {
				args[i].how = hows[i/4%4]
			}
		}
		for _, chunk := range []int{1, 7, 100} {
			at := 0
			for how, err := range pool.IMap(t.Context(), p, takeStubborn.With(pool.TaskOptions{Chunk: chunk}), slices.Values(args)) {
				if at%4 == 3 {
					wantWords(t, err, "it will not")
				} else if err != nil || how != args[at].how {
					t.Errorf("%d: %q, %v", at, how, err)
				}
				at++
			}
			if at != len(args) {
				t.Errorf("%d results of %d", at, len(args))
			}
		}
		wantNothingLeft(t, p)
	})
}

// Types that cannot travel are refused where the task is defined.
func TestDefineMisuse(t *testing.T) {
	for name, define := range map[string]func(){
		"argument": func() { pool.Define("bad 1", func(context.Context, func()) (int, error) { return 0, nil }) },
		"result":   func() { pool.Define("bad 2", func(context.Context, int) (chan int, error) { return nil, nil }) },
		"already":  func() { pool.Define("square", func(context.Context, int) (int, error) { return 0, nil }) },
	} {
		func() {
			defer func() { wantWords(t, fmt.Errorf("%v", recover()), "pool.Define", name) }()
			define()
		}()
	}
}

func wantWords(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q has no %q", err, w)
		}
	}
}
