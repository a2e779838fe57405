//go:build crashtest

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// A worker is killed at the 1st, 2nd, … crash point of a stream: the loop gets every value of which
// the yield had returned, whole and in order, and then the error that names the worker; or, when
// nothing had been yielded, the values of the next attempt. No slot or block of shared memory is
// left.
func TestStreamCrashSweep(t *testing.T) {
	for name, test := range map[string]struct{ values, bytes int }{
		"small":                {6, 8},
		"larger than the ring": {2, 70_000},
	} {
		t.Run(name, func(t *testing.T) {
			sweep(t, pool.Options{}, func(ctx context.Context, p *pool.Pool) error {
				a := paced{newTally(t, 4), test.values, test.bytes, ""}
				n, err := paceAll(ctx, p, pace, a)
				begun, runs := int(times(a.Tally, 0)), times(a.Tally, 2)
				var died *pool.WorkerDiedError
				switch {
				case err == nil && n == a.N && runs <= 2:
				case errors.As(err, &died) && died.PID != 0 && runs == 1 && n <= begun && n >= begun-1:
				default:
					return fmt.Errorf("%d values of %d, %d begun, in %d runs: %w", n, a.N, begun, runs, err)
				}
				return sweepApply(ctx, p)
			})
		})
	}
}
