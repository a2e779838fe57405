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
	jobs["rlock"] = job{open: openReader, check: checkReads}
	jobs["wlock"] = job{open: openWriter, check: checkWrites}
}

// newRWMutex finds or makes the lock, in a process that has read-locked it once.
func newRWMutex(seg *shm.Segment) (*shmsync.RWMutex, error) {
	m, err := shmsync.NewRWMutex(seg, "lock", shmsync.RWMutexOptions{})
	if err != nil {
		return nil, err
	}
	if err := m.RLock(context.Background()); err != nil {
		return nil, err
	}
	m.RUnlock()
	return m, nil
}

func openReader(seg *shm.Segment, l *lane) (leg, error) {
	if l.number <= 0 {
		l.track.value = 1 // so that the sum counts the reads
	}
	if l.number == noProcess { // a writer has to look after each process that has the lock open
		return nil, nil
	}
	m, err := newRWMutex(seg)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(n int64) (int64, error) {
		var sum int64
		for range n {
			if err := m.RLock(ctx); err != nil {
				return 0, err
			}
			sum += l.track.value
			m.RUnlock()
		}
		l.track.sum.Add(sum)
		return uncounted, nil
	}, nil
}

func openWriter(seg *shm.Segment, l *lane) (leg, error) {
	if l.number == noProcess {
		return nil, nil
	}
	m, err := newRWMutex(seg)
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

func checkReads(seg *shm.Segment, t *track, total int64) error {
	if got := t.sum.Load(); got != total {
		return fmt.Errorf("%d reads under %d read locks", got, total)
	}
	return checkRWMutex(seg)
}

func checkWrites(seg *shm.Segment, t *track, total int64) error {
	if t.value != total {
		return fmt.Errorf("the guarded integer is %d after %d operations", t.value, total)
	}
	return checkRWMutex(seg)
}

// checkRWMutex fails unless the lock was left free, lets in readers together, and a writer alone.
func checkRWMutex(seg *shm.Segment) error {
	m, err := newRWMutex(seg)
	if err != nil {
		return err
	}
	if err := m.TryLock(); err != nil {
		return fmt.Errorf("the lock was not left free: %w", err)
	}
	if m.TryRLock() == nil {
		return fmt.Errorf("a reader came in beside the writer")
	}
	m.Unlock()
	for range 2 {
		if err := m.TryRLock(); err != nil {
			return fmt.Errorf("read-lock the free lock: %w", err)
		}
		defer m.RUnlock()
	}
	if m.TryLock() == nil {
		return fmt.Errorf("a writer came in beside readers")
	}
	return nil
}

// BenchmarkRWMutex read-locks and reads an integer, or write-locks and increments it, in one
// process or in two at once. Every process has read-locked once before, so that a writer has
// readers to look after.
func BenchmarkRWMutex(b *testing.B) {
	for _, op := range []string{"rlock", "wlock"} {
		b.Run("op="+op, func(b *testing.B) {
			for _, procs := range []int{1, 2} {
				b.Run(fmt.Sprintf("procs=%d", procs), func(b *testing.B) {
					bench(b, procs, rwmutexRows(newPeers(b), op))
				})
			}
		})
	}
	note("no row %s/impl=python: multiprocessing has no read-write lock", b.Name())
}

func rwmutexRows(ps *peers, op string) []row {
	return []row{
		{"shmkit", nativeRound, func(tb testing.TB, p plan) outcome {
			return raceJob(tb, op, p)
		}},
		{"glibc-pshared", nativeRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, p.total(), ps.c(tb, "rwlock"), op)
		}},
	}
}
