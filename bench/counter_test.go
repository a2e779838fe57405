//go:build linux

package bench

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

func init() {
	jobs["counter-add"] = job{open: openCounter, check: checkCounter}
}

func openCounter(seg *shm.Segment, _ *lane) (leg, error) {
	c, err := shm.NewCounter(seg, "counter")
	if err != nil {
		return nil, err
	}
	return func(n int64) (int64, error) {
		for range n {
			c.Add(1)
		}
		return c.Sum(), nil
	}, nil
}

func checkCounter(seg *shm.Segment, _ *track, total int64) error {
	c, err := shm.NewCounter(seg, "counter")
	if err != nil {
		return err
	}
	if got := c.Sum(); got != total {
		return fmt.Errorf("the counter is %d after %d adds", got, total)
	}
	return nil
}

// BenchmarkCounterAdd adds one to a counter. In C that is an atomic addition to one shared word.
func BenchmarkCounterAdd(b *testing.B) {
	for _, procs := range []int{1, 2} {
		b.Run(fmt.Sprintf("procs=%d", procs), func(b *testing.B) {
			bench(b, procs, counterRows(newPeers(b)))
		})
	}
}

func counterRows(ps *peers) []row {
	return []row{
		{"shmkit", nativeRound, func(tb testing.TB, p plan) outcome {
			return raceJob(tb, "counter-add", p)
		}},
		{"c", nativeRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, p.total(), ps.c(tb, "counter"))
		}},
	}
}
