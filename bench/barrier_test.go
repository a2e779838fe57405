//go:build linux

package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func init() {
	for ending, policy := range policies {
		jobs["barrier"+ending] = job{
			open:     func(seg *shm.Segment, l *lane) (leg, error) { return openBarrier(seg, l, policy) },
			check:    checkCrossings,
			together: true,
		}
	}
}

func openBarrier(seg *shm.Segment, l *lane, policy shmsync.WaitPolicy) (leg, error) {
	b, err := shmsync.NewBarrier(seg, "barrier", 2, shmsync.BarrierOptions{Wait: policy, Spectator: l.number == noProcess})
	if err != nil || l.number == noProcess {
		return nil, err
	}
	ctx := context.Background()
	mine, other := &l.track.counts[l.number], &l.track.counts[1-l.number]
	return func(n int64) (int64, error) {
		arrived := mine.Load()
		if l.number == 0 {
			l.trips.start()
		}
		for range n {
			arrived++
			mine.Store(arrived)
			if _, err := b.Wait(ctx); err != nil {
				return 0, err
			}
			if other.Load() < arrived {
				return 0, fmt.Errorf("crossed the barrier %d times, the other process came %d times", arrived, other.Load())
			}
			if l.number == 0 {
				l.trips.add()
			}
		}
		return uncounted, nil
	}, nil
}

func checkCrossings(_ *shm.Segment, t *track, total int64) error {
	for i := range t.counts {
		if got := t.counts[i].Load(); got != total {
			return fmt.Errorf("process %d came to the barrier %d times in %d crossings", i, got, total)
		}
	}
	return nil
}

// BenchmarkBarrier crosses a barrier together with the other process.
func BenchmarkBarrier(b *testing.B) {
	b.Run("procs=2", func(b *testing.B) { benchTrips(b, tripRows(newPeers(b), "barrier")) })
}
