//go:build linux

package bench

import (
	"context"

	"github.com/shmkit/shmkit/pool"
)

// apply runs one task.
func apply[A, R any](ctx context.Context, p *pool.Pool, t *pool.Task[A, R], arg A) (r R, err error) {
	results, err := pool.Map(ctx, p, t, []A{arg})
	if err != nil {
		return r, err
	}
	return results[0], nil
}

// inChunks is t in chunks of a size, which is always 1.
func inChunks[A, R any](t *pool.Task[A, R], _ int) *pool.Task[A, R] { return t }
