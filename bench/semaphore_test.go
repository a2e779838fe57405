//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func init() {
	for ending, undo := range map[string]bool{"": false, "-undo": true} {
		open := func(seg *shm.Segment, _ *lane) (leg, error) { return openSemaphore(seg, undo) }
		jobs["semaphore"+ending] = job{open: open, check: checkNothing}
	}
}

func openSemaphore(seg *shm.Segment, undo bool) (leg, error) {
	s, err := shmsync.NewSemaphore(seg, "semaphore", 1, shmsync.SemaphoreOptions{Undo: undo})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(n int64) (int64, error) {
		if err := checkUnit(s); err != nil {
			return 0, err
		}
		for range n {
			if err := s.Acquire(ctx, 1); err != nil {
				return 0, err
			}
			if err := s.Release(1); err != nil {
				return 0, err
			}
		}
		return 0, checkUnit(s)
	}, nil
}

// checkUnit fails unless the unit is there, and is the only one.
func checkUnit(s *shmsync.Semaphore) error {
	if err := s.TryAcquire(1); err != nil {
		return fmt.Errorf("take the unit: %w", err)
	}
	if err := s.TryAcquire(1); !errors.Is(err, shmsync.ErrLocked) {
		return fmt.Errorf("take a second unit of one: %v, want %v", err, shmsync.ErrLocked)
	}
	return s.Release(1)
}

// checkNothing is the check of jobs that check their objects while they run.
func checkNothing(*shm.Segment, *track, int64) error { return nil }

// BenchmarkSemaphore acquires and releases the one unit of a semaphore in one process. In the row
// shmkit-undo the unit of a process that dies comes back.
func BenchmarkSemaphore(b *testing.B) {
	bench(b, 1, semaphoreRows(newPeers(b)))
}

func semaphoreRows(ps *peers) []row {
	return []row{
		{"shmkit", nativeRound, func(tb testing.TB, p plan) outcome {
			return raceJob(tb, "semaphore", p)
		}},
		{"shmkit-undo", nativeRound, func(tb testing.TB, p plan) outcome {
			return raceJob(tb, "semaphore-undo", p)
		}},
		{"posix", nativeRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, 0, ps.c(tb, "semaphore"))
		}},
		{"python", pythonRound, func(tb testing.TB, p plan) outcome {
			return ps.runPython(tb, p, 0, "lock", "semaphore", "empty")
		}},
	}
}
