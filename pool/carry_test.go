package pool_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

type traceKey struct{}

// carryTrace is an Options.Carry: the text that the context has, if any.
func carryTrace(ctx context.Context) (carry [32]byte) {
	trace, _ := ctx.Value(traceKey{}).(string)
	copy(carry[:], trace)
	return carry
}

var traceOf = pool.Define("trace of", func(ctx context.Context, c counted) (string, error) {
	if c.How != "" {
		if _, err := tellAs(ctx, c); err != nil {
			return "", err
		}
	}
	carry, ok := pool.Carried(ctx)
	return fmt.Sprintf("%.*q %v", len("trace-1"), carry[:len("trace-1")], ok), nil
})

// What a call carries is what each of its tasks sees, also when it runs again.
func TestCarry(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Carry: carryTrace})
		trace := func(name string) context.Context { return context.WithValue(t.Context(), traceKey{}, name) }
		want := func(name string) func(string, error) {
			return func(got string, err error) {
				t.Helper()
				if expected := fmt.Sprintf("%q true", name); err != nil || got != expected {
					t.Errorf("%s, %v, not %s", got, err, expected)
				}
			}
		}
		want("trace-1")(pool.Apply(trace("trace-1"), p, traceOf, counted{}))
		f, err := pool.ApplyAsync(trace("trace-2"), p, traceOf, counted{})
		if err != nil {
			t.Fatal(err)
		}
		want("trace-2")(f.Get(t.Context()))
		args := make([]counted, 100)
		for _, chunk := range []int{0, 1, 7} {
			name := fmt.Sprint("trace-", chunk)
			all, err := pool.Map(trace(name), p, traceOf.With(pool.TaskOptions{Chunk: chunk}), args)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range all {
				want(name)(got, nil)
			}
		}
	})
}

// A task that runs again because its worker died carries the same.
func TestCarrySurvivesDeath(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1, Carry: carryTrace})
	ctx := context.WithValue(t.Context(), traceKey{}, "trace-9")
	got, err := pool.Apply(ctx, p, traceOf, counted{Tally: newTally(t, 1), How: "kill once"})
	if err != nil || got != `"trace-9" true` {
		t.Errorf("%s, %v", got, err)
	}
}

// Without Options.Carry a task carries nothing, also in a slot whose last task did.
func TestCarriesNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		if got, err := pool.Apply(t.Context(), p, traceOf, counted{}); err != nil || got != `"\x00\x00\x00\x00\x00\x00\x00" false` {
			t.Errorf("%s, %v", got, err)
		}
	})
	if _, ok := pool.Carried(t.Context()); ok {
		t.Error("a context that is not a task's carries something")
	}
}
