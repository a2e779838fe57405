//go:build crashtest

package pool_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/pool"
)

// arm arms the worker with this process id; the one that replaces it stays unharmed.
var arm = pool.Define("arm", func(_ context.Context, a struct{ PID, N int64 }) (int64, error) {
	if int64(os.Getpid()) == a.PID {
		crashpoint.Arm(int(a.N))
	}
	return a.N, nil
})

// A worker is killed at the 1st, 2nd, … crash point after it was armed, until it gets through all tasks: every task
// has its result, once, and no block of shared memory is left. SHMKIT_LONG=1 tries each point; otherwise every third.
func TestCrashSweep(t *testing.T) {
	const tasks = 3
	step := int64(3)
	if os.Getenv("SHMKIT_LONG") != "" {
		step = 1
	}
	for n := int64(1); ; n += step {
		p := newPool(t, pool.Options{Workers: 1, Attempts: 2})
		if _, err := pool.Map(t.Context(), p, arm, []struct{ PID, N int64 }{{int64(p.Stats().Workers[0].PID), n}}); err != nil {
			t.Fatal(err)
		}
		// Both results that fit into a slot and results that need a block.
		got, err := pool.Map(t.Context(), p, wrap, []parcel{{1, 10}, {2, 1000}, {3, 4000}})
		if err != nil || len(got) != tasks || !bytes.Equal(got[2], wrapped(parcel{3, 4000})) {
			t.Fatalf("killed at point %d: %d results, %v", n, len(got), err)
		}
		squares, err := pool.Map(t.Context(), p, square, slices.Collect(numbers(20)))
		if err != nil || squares[19] != 361 {
			t.Fatalf("killed at point %d: %v, %v", n, squares, err)
		}
		if err := pool.Leftovers(p); err != nil {
			t.Fatalf("killed at point %d: %v", n, err)
		}
		killed := p.Stats().Killed
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if killed == 0 {
			t.Logf("%d points", n-1)
			return
		}
	}
}
