package pool_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/pool"
)

// onceDead kills its worker the first time, and returns when it was killed.
var onceDead = pool.Define("once dead", func(_ context.Context, path string) (int64, error) {
	if b, err := os.ReadFile(path); err == nil {
		var at int64
		_, err = fmt.Sscan(string(b), &at)
		return at, err
	}
	if err := os.WriteFile(path, fmt.Append(nil, time.Now().UnixNano()), 0o600); err != nil {
		return 0, err
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
})

// A worker that died is replaced, and its task has run again, within 50 ms, in the median.
func TestDeathIsMendedFast(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	dir := t.TempDir()
	var took []time.Duration
	for n := range 41 {
		at, err := pool.Apply(t.Context(), p, onceDead, fmt.Sprint(dir, "/", n))
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Duration(time.Now().UnixNano()-at))
	}
	slices.Sort(took)
	t.Logf("from the death to the result: p50 %v, p90 %v, most %v", took[20], took[36], took[40])
	if took[20] > 50*time.Millisecond && !race.Enabled {
		t.Errorf("p50 %v", took[20])
	}
	if s := p.Stats(); s.Killed != len(took) || s.Retried != len(took) {
		t.Errorf("%d deaths, %d retries", s.Killed, s.Retried)
	}
}

// 200 workers start, sum a thousand squares and end cleanly.
func TestManyWorkers(t *testing.T) {
	if race.Enabled || testing.Short() {
		t.Skip("200 processes")
	}
	start := time.Now()
	var w witness
	p := newPool(t, pool.Options{Workers: 200, OnWorkerExit: w.note})
	first := time.Since(start)
	sum := int64(0)
	for n, err := range pool.IMapUnordered(t.Context(), p, square, numbers(1000)) {
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if want := int64(999 * 1000 * 1999 / 6); sum != want {
		t.Errorf("%d, not %d", sum, want)
	}
	all := time.Since(start)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if got := w.reasons(); len(got) != 1 || got["closed"] == 0 {
		t.Errorf("ends: %v", got)
	}
	for _, e := range w.all() {
		if e.ExitCode != 0 && e.Signal != "terminated" || e.Stderr != "" { // SIGTERM may come before a worker has begun to work
			t.Errorf("%+v", e)
		}
	}
	w.gone(t)
	t.Logf("first ready after %v, the sum after %v, all ended after %v", first, all, time.Since(start))
}
