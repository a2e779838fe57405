package pool

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

var (
	zeros    = Define("home: zeros", func(_ context.Context, n int64) ([]byte, error) { return make([]byte, n), nil })
	lengthOf = Define("home: length", func(_ context.Context, b []byte) (int, error) { return len(b), nil })
	idle     = Define("home: idle", func(ctx context.Context, _ int64) (int, error) { <-ctx.Done(); return 0, nil })
)

// An argument was moved out of shared memory, and a result that a loop does not take fills that:
// the argument comes back, as its caller waits, which is the body of the loop.
func TestArgumentComesBackBesideResults(t *testing.T) {
	const limit = 3 << 20
	const part = limit * 2 / 5 // two of three such parts fit
	p := startPool(t, Options{Workers: 1, Memory: limit})
	results := 0
	for _, err := range IMapUnordered(t.Context(), p, zeros, func(yield func(int64) bool) {
		for n := 0; n < 2 && yield(part); n++ {
		}
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if results++; results == 1 {
			besideAResult(t, p, part)
		}
	}
	if results != 2 {
		t.Errorf("%d results", results)
	}
}

// besideAResult has a task wait while its argument is not in shared memory, which others fill.
func besideAResult(t *testing.T, p *Pool, part int) {
	proctest.Eventually(t, proctest.Hang, func() bool { return p.core.Unread() == 1 }, "the second result is there")
	busy, free := context.WithCancel(t.Context())
	defer free()
	if _, err := ApplyAsync(busy, p, idle, 0); err != nil {
		t.Fatal(err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending == 1 && s.Queued == 0 }, "the worker is busy")
	f, err := ApplyAsync(t.Context(), p, lengthOf, make([]byte, part))
	if err != nil {
		t.Fatal(err)
	}
	off, moved, err := p.core.TakeRoomOfUnbegun(part) // as the result of another task
	if !moved || err != nil {
		t.Fatalf("moved %v, %v", moved, err)
	}
	free()
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	if n, err := f.Get(ctx); n != part || err != nil {
		t.Errorf("%d bytes of %d, %v", n, part, err)
	}
	p.core.FreeRoom(off)
}
