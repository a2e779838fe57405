//go:build linux

package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

func init() {
	jobs["value-increment"] = job{open: openValue, check: checkValue}
}

func openValue(seg *shm.Segment, _ *lane) (leg, error) {
	v, err := shm.NewValue[int64](seg, "value", 0)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	increment := func(p *int64) error { *p++; return nil }
	return func(n int64) (int64, error) {
		for range n {
			if err := v.Update(ctx, increment); err != nil {
				return 0, err
			}
		}
		return v.Load()
	}, nil
}

func checkValue(seg *shm.Segment, _ *track, total int64) error {
	v, err := shm.NewValue[int64](seg, "value", 0)
	if err != nil {
		return err
	}
	got, err := v.Load()
	if err != nil {
		return err
	}
	if got != total {
		return fmt.Errorf("the value is %d after %d increments", got, total)
	}
	return nil
}

// BenchmarkValueIncrement adds one to a locked integer in one process. In C that is a robust mutex
// with the integer beside it.
func BenchmarkValueIncrement(b *testing.B) {
	bench(b, 1, valueRows(newPeers(b)))
}

func valueRows(ps *peers) []row {
	return []row{
		{"shmkit", nativeRound, func(tb testing.TB, p plan) outcome {
			return raceJob(tb, "value-increment", p)
		}},
		{"c", nativeRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, p.total(), ps.c(tb, "lock"), "robust", "increment")
		}},
		{"python", pythonRound, func(tb testing.TB, p plan) outcome {
			return ps.runPython(tb, p, p.total(), "lock", "value", "increment")
		}},
	}
}
