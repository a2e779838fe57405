package pool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/pool"
)

// blast explodes with one argument, and returns the others as text.
var blast = pool.Define("blast", func(_ context.Context, a struct {
	N, Bad int64
	How    string
}) (string, error) {
	if a.N == a.Bad {
		if err := explode(a.How); err != nil {
			return "", err
		}
	}
	return fmt.Sprint("value ", a.N), nil
})

// A49 in chunks: the argument that is poison fails alone; the others of its chunk, and those after
// it, have their results, in order. The task is given up after exactly as many kills as there may
// be.
func TestDeathInChunk(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 2, 3} {
		for _, how := range []string{"error", "panic", "goexit", "exit", "segv", "kill", "memory"} {
			if how == "memory" && (race.Enabled || attempts > 1) {
				continue
			}
			t.Run(fmt.Sprint(how, "/attempts=", attempts), func(t *testing.T) { testDeathInChunk(t, how, attempts) })
		}
	}
}

func testDeathInChunk(t *testing.T, how string, attempts int) {
	const count, bad = 40, 13
	o := pool.Options{Workers: 2, Attempts: attempts}
	if how == "memory" {
		o.MemoryLimit = 256 << 20
	}
	p := newPool(t, o)
	args := func(yield func(struct {
		N, Bad int64
		How    string
	}) bool) {
		for n := range int64(count) {
			if !yield(struct {
				N, Bad int64
				How    string
			}{n, bad, how}) {
				return
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	n, died := 0, 0
	for text, err := range pool.IMap(ctx, p, blast.With(pool.TaskOptions{Chunk: 10}), args) {
		switch {
		case n != bad && (err != nil || text != fmt.Sprint("value ", n)):
			t.Errorf("argument %d: %q, %v", n, text, err)
		case n == bad:
			var we *pool.WorkerDiedError
			var pe *pool.PanicError
			switch {
			case errors.As(err, &we) && deadly[how] != nil && deadly[how](we) && we.Attempts == attempts:
				died = attempts
			case errors.As(err, &pe) && deadly[how] == nil:
			case errors.Is(err, errBoom) && how == "error":
			default:
				t.Errorf("the poison: %q, %v", text, err)
			}
		}
		n++
	}
	if n != count {
		t.Errorf("%d results", n)
	}
	// The chunk is sent with the first argument of ten; the poison is its fourth.
	retried := 0
	if died > 0 {
		retried = 3 + died - 1
	}
	if s := p.Stats(); s.Killed != died || s.Retried != retried || s.Pending != 0 {
		t.Errorf("%d workers died, not %d; %d retries, not %d; %d tasks are left", s.Killed, died, s.Retried, retried, s.Pending)
	}
	wantNothingLeft(t, p)
}
