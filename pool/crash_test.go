//go:build crashtest

package pool_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// An armament is for the worker with this process id; the one that replaces it stays unharmed.
type armament struct {
	PID   int
	Order string // of a proctest.Crash
}

var arm = pool.Define("arm", func(_ context.Context, a armament) (int, error) {
	if os.Getpid() == a.PID {
		proctest.Arm(a.Order)
	}
	return os.Getpid(), nil
})

// A worker is killed at the 1st, 2nd, … crash point after it was armed, until it gets through all
// tasks: every task has its result, once, and no slot or block of shared memory is left.
// SHMKIT_LONG=1 tries each point; otherwise every third.
func TestCrashSweep(t *testing.T) {
	for name, test := range map[string]struct {
		options pool.Options
		work    func(ctx context.Context, p *pool.Pool) error
	}{
		"Apply":     {pool.Options{}, sweepApply},
		"Map":       {pool.Options{}, sweepMap},
		"chunks":    {pool.Options{}, sweepChunks},
		"large":     {pool.Options{}, sweepLarge},
		"no room":   {pool.Options{Memory: 64 << 10}, sweepNoRoom},
		"recycling": {pool.Options{MaxTasksPerWorker: 4}, sweepMap},
		//clock: the time-out is the subject
		"idle": {pool.Options{IdleTimeout: 1}, sweepApply},
	} {
		t.Run(name, func(t *testing.T) { sweep(t, test.options, test.work) })
	}
}

func sweep(t *testing.T, o pool.Options, work func(context.Context, *pool.Pool) error) {
	long := os.Getenv("SHMKIT_LONG") != ""
	o.Workers, o.Attempts = max(o.Workers, 1), 2
	proctest.Sweep(t, 1, func(c *proctest.Crash) {
		if !long && c.Point%3 != 1 {
			c.Skip()
			return
		}
		p := newPool(t, o)
		// A worker that has ended for want of work before it is armed is no victim.
		for armed := false; !armed; armed = armed || p.Stats().Killed > 0 {
			pid, err := pool.Apply(t.Context(), p, pidOf, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := pool.Apply(t.Context(), p, arm, armament{pid, c.Order()})
			if err != nil {
				t.Fatalf("crash point %v: arm: %v", c, err)
			}
			armed = got == pid
		}
		if err := work(t.Context(), p); err != nil {
			t.Fatalf("crash point %v: %v", c, err)
		}
		wantNothingLeft(t, p)
		killed := p.Stats().Killed
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		c.Completed(killed == 0)
	})
}

func sweepApply(ctx context.Context, p *pool.Pool) error {
	for i := range int64(5) {
		if n, err := pool.Apply(ctx, p, square, i); err != nil || n != i*i {
			return fmt.Errorf("square of %d: %d, %w", i, n, err)
		}
	}
	return nil
}

// Both results that fit into a slot and results that need a block.
func sweepMap(ctx context.Context, p *pool.Pool) error {
	parcels := []parcel{{1, 10}, {2, 1000}, {3, 4000}, {4, 10}}
	got, err := pool.Map(ctx, p, wrap, parcels)
	return wantWrapped(parcels, got, err)
}

func sweepChunks(ctx context.Context, p *pool.Pool) error {
	parcels := make([]parcel, 9)
	for i := range parcels {
		parcels[i] = parcel{int64(i), int64(100 * i)}
	}
	got, err := pool.Map(ctx, p, wrap.With(pool.TaskOptions{Chunk: 4}), parcels)
	return wantWrapped(parcels, got, err)
}

func sweepLarge(ctx context.Context, p *pool.Pool) error {
	for i := range 3 {
		b := slices.Repeat([]byte{byte(i)}, 1<<20)
		if got, err := pool.Apply(ctx, p, echoBytes, b); err != nil || !slices.Equal(got, b) {
			return fmt.Errorf("%d: %d bytes, %w", i, len(got), err)
		}
	}
	return nil
}

// The results of a loop fill the memory, so that the worker waits for room, while the body of the
// loop calls Apply.
func sweepNoRoom(ctx context.Context, p *pool.Pool) error {
	n := int64(0)
	for got, err := range pool.IMap(ctx, p, wrap, func(yield func(parcel) bool) {
		for i := int64(0); i < 6 && yield(parcel{i, 30_000}); i++ {
		}
	}) {
		if err := wantWrapped([]parcel{{n, 30_000}}, [][]byte{got}, err); err != nil {
			return err
		}
		n++
		if b, err := pool.Apply(ctx, p, echoBytes, make([]byte, 30_000)); err != nil || len(b) != 30_000 {
			return fmt.Errorf("Apply: %d bytes, %w", len(b), err)
		}
	}
	return nil
}

func wantWrapped(parcels []parcel, got [][]byte, err error) error {
	if err != nil || len(got) != len(parcels) {
		return fmt.Errorf("%d results of %d, %w", len(got), len(parcels), err)
	}
	for i, b := range got {
		if !slices.Equal(b, wrapped(parcels[i])) {
			return fmt.Errorf("result %d is that of another: %d bytes", i, len(b))
		}
	}
	return nil
}
