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
	jobs["lock-empty"] = job{open: openLock, check: checkLock}
	jobs["lock-increment"] = job{open: openLockIncrement, check: checkLockIncrement}
}

func newMutex(seg *shm.Segment) (*shmsync.Mutex, error) {
	return shmsync.NewMutex(seg, "lock", shmsync.MutexOptions{})
}

func openLock(seg *shm.Segment, _ *lane) (leg, error) {
	m, err := newMutex(seg)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(n int64) (int64, error) {
		for range n {
			if err := m.Lock(ctx); err != nil {
				return 0, err
			}
			m.Unlock()
		}
		return 0, nil
	}, nil
}

func openLockIncrement(seg *shm.Segment, l *lane) (leg, error) {
	m, err := newMutex(seg)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(n int64) (int64, error) {
		for range n {
			if err := m.Lock(ctx); err != nil {
				return 0, err
			}
			l.track.value++
			m.Unlock()
		}
		return l.track.value, nil
	}, nil
}

// checkLock fails unless the lock was left free and lets in one at a time.
func checkLock(seg *shm.Segment, _ *track, _ int64) error {
	m, err := newMutex(seg)
	if err != nil {
		return err
	}
	if err := m.TryLock(); err != nil {
		return fmt.Errorf("the lock was not left free: %w", err)
	}
	defer m.Unlock()
	if m.TryLock() == nil {
		return fmt.Errorf("a held lock was taken")
	}
	return nil
}

func checkLockIncrement(seg *shm.Segment, t *track, total int64) error {
	if t.value != total {
		return fmt.Errorf("the guarded integer is %d after %d operations", t.value, total)
	}
	return checkLock(seg, t, total)
}

// BenchmarkLockUncontended locks and unlocks in one process, with nothing in between.
func BenchmarkLockUncontended(b *testing.B) {
	benchLock(b, 1, "empty")
}

// BenchmarkLockContended locks, increments an integer and unlocks in several processes at once.
func BenchmarkLockContended(b *testing.B) {
	b.Run("procs=2", func(b *testing.B) { benchLock(b, 2, "increment") })
}

func benchLock(b *testing.B, procs int, work string) {
	bench(b, procs, lockRows(newPeers(b), work))
}

func lockRows(ps *peers, work string) []row {
	return []row{
		{"shmkit", nativeRound, func(tb testing.TB, p plan) outcome {
			return raceJob(tb, "lock-"+work, p)
		}},
		{"glibc-robust", nativeRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, guarded(work, p), ps.c(tb, "lock"), "robust", work)
		}},
		{"glibc", nativeRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, guarded(work, p), ps.c(tb, "lock"), "plain", work)
		}},
		{"python", pythonRound, func(tb testing.TB, p plan) outcome {
			return ps.runPython(tb, p, guarded(work, p), "lock", "lock", work)
		}},
	}
}

// guarded returns what the integer under a lock must be in the end.
func guarded(work string, p plan) int64 {
	if work == "empty" {
		return 0
	}
	return p.total()
}
