package pool_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/pool"
)

// onceDead kills its worker the first time.
var onceDead = pool.Define("once dead", func(_ context.Context, path string) (int64, error) {
	if _, err := os.Stat(path); err == nil {
		return 0, nil
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return 0, err
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
})

// A worker that died is replaced, and its task has run again, any number of times. How long that
// takes is measured in bench.
func TestDeathIsMended(t *testing.T) {
	t.Parallel()
	p := newPool(t, pool.Options{Workers: 1})
	dir := t.TempDir()
	const deaths = 21
	for n := range deaths {
		if _, err := pool.Apply(t.Context(), p, onceDead, fmt.Sprint(dir, "/", n)); err != nil {
			t.Fatal(err)
		}
	}
	if s := p.Stats(); s.Killed != deaths || s.Retried != deaths {
		t.Errorf("%d deaths, %d retries", s.Killed, s.Retried)
	}
}

// 200 workers start, sum a thousand squares and end cleanly.
func TestManyWorkers(t *testing.T) {
	t.Parallel()
	if race.Enabled || testing.Short() {
		t.Skip("200 processes")
	}
	var w witness
	p := newPool(t, pool.Options{Workers: 200, OnWorkerExit: w.note})
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
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if got := w.reasons(); len(got) != 1 || got["closed"] == 0 {
		t.Errorf("ends: %v", got)
	}
	for _, e := range w.all() {
		// SIGTERM may come before a worker has begun to work
		if e.ExitCode != 0 && e.Signal != "terminated" || e.Stderr != "" {
			t.Errorf("%+v", e)
		}
	}
	w.gone(t)
}
