package pool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// nest makes a pool in its worker for a task that does the same, so many times.
var nest *pool.Task[int64, int64]

func init() {
	pool.RegisterError("too deep", pool.ErrTooDeep)
	nest = pool.Define("nest", func(ctx context.Context, n int64) (int64, error) {
		if n == 0 {
			return int64(process.Current().Depth), nil
		}
		p, err := pool.New(ctx, pool.Options{Workers: 1})
		if err != nil {
			return 0, fmt.Errorf("at depth %d: %w", process.Current().Depth, err)
		}
		defer p.Close()
		return pool.Apply(ctx, p, nest, n-1)
	})
}

// A50: pools nest to the limit, and the one beyond it is refused with an error that says so,
// through all the others.
func TestNestedPools(t *testing.T) {
	var w witness
	p := newPool(t, pool.Options{Workers: 1, OnWorkerExit: w.note})
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	depth, err := pool.Apply(ctx, p, nest, pool.MaxDepth-1)
	if err != nil || depth != pool.MaxDepth {
		t.Errorf("depth %d, %v", depth, err)
	}
	_, err = pool.Apply(ctx, p, nest, pool.MaxDepth)
	var te *pool.TaskError
	if !errors.Is(err, pool.ErrTooDeep) || !errors.As(err, &te) || te.Text != "at depth 8: pool: processes are nested too deep: this one is 8 deep, and at most 8 are allowed" {
		t.Errorf("%v", err)
	}
	if s := p.Stats(); s.Killed != 0 {
		t.Errorf("%d workers died", s.Killed)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	w.gone(t)
}

// A death in a nested pool is that pool's affair; its error is one of the outer task.
func TestDeathInNestedPool(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	_, err := pool.Apply(t.Context(), p, nestDeath, "kill")
	var te *pool.TaskError
	if !errors.As(err, &te) || te.Task != "nest death" {
		t.Errorf("%v", err)
	}
	if n, err := pool.Apply(t.Context(), p, square, 3); n != 9 || err != nil || p.Stats().Killed != 0 {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

var nestDeath = pool.Define("nest death", func(ctx context.Context, how string) (int64, error) {
	p, err := pool.New(ctx, pool.Options{Workers: 1, Attempts: 2})
	if err != nil {
		return 0, err
	}
	defer p.Close()
	_, err = pool.Apply(ctx, p, throw, failingArg{"run", how})
	var we *pool.WorkerDiedError
	if !errors.As(err, &we) || we.Attempts != 2 {
		return 0, nil
	}
	return 0, err
})
