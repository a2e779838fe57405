//go:build linux

package shmsync_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// semaphore-crowd: SEGMENT. A crowd waits for units of one semaphore.
var semaphoreCrowd = proctest.Register("semaphore-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	s, err := shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
	must(err)
	blockCrowd(func(ctx context.Context, i int) error {
		n := int64(1 + i%3)
		err := s.Acquire(ctx, n)
		if err == nil {
			must(s.Release(n))
		}
		return err
	})
})

// 10,000 goroutines of one process that wait for units which another one has need few threads. Half
// of them are cancelled; all others get units in the end, when the other dies or releases.
func TestSemaphoreCrowd(t *testing.T) {
	t.Parallel()
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		s := newSemaphore(t, seg, "s", 4, shmsync.SemaphoreOptions{Undo: undo})
		wantErr(t, "acquire", s.Acquire(background, 4), nil)
		c := proctest.Start(t, semaphoreCrowd, seg.Path())
		checkCrowd(t, c, func() { wantErr(t, "release", s.Release(4), nil) })
		c.WaitOK()
		wantAvailable(t, s, 4)
	})
}

func TestSemaphoreNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		s := newSemaphore(t, newSegment(t), "s", 2, shmsync.SemaphoreOptions{Undo: undo})
		must(s.Acquire(background, 1))
		if n := testing.AllocsPerRun(1000, func() {
			must(s.Acquire(background, 1))
			if s.TryAcquire(1) != shmsync.ErrLocked {
				panic("no units were left")
			}
			must(s.Release(1))
			must(s.TryAcquire(1))
			must(s.Release(1))
			s.Available()
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		must(s.Release(1))
	})
}

// semaphore-frugal: SEGMENT. Two goroutines acquire and release while those of another process do
// the same, and sleep for it. It says how many allocations that took.
var semaphoreFrugal = proctest.Register("semaphore-frugal", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	s, err := shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{Wait: shmsync.Park})
	must(err)
	use := func(rounds int) {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range rounds {
					must(s.Acquire(background, 2))
					runtime.Gosched() // so that the others come to wait
					must(s.Release(2))
				}
			})
		}
		wg.Wait()
	}
	sayAllocations(use)
})

// Waiting allocates nothing either. What the runtime itself allocates meanwhile is allowed for.
func TestSemaphoreNoAllocationsContended(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		newSemaphore(t, seg, "s", 2, shmsync.SemaphoreOptions{Undo: undo})
		checkAllocations(t, semaphoreFrugal, seg, allocRounds/50)
	})
}

// A program that guards an ordinary variable with one unit has no race, whichever handle it uses
// and however it acquires, and the detector reports none. In a build without the detector this only
// checks the number.
func TestSemaphoreOrders(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		o := shmsync.SemaphoreOptions{Undo: undo}
		handles := []*shmsync.Semaphore{newSemaphore(t, seg, "s", 3, o), newSemaphore(t, seg, "s", 3, o)}
		n := 0
		const goroutines, rounds = 6, 300
		var wg sync.WaitGroup
		for i := range goroutines {
			s := handles[i%2]
			wg.Go(func() {
				for range rounds {
					if i == 0 {
						for s.TryAcquire(3) != nil {
							runtime.Gosched()
						}
					} else {
						must(s.Acquire(background, 3))
					}
					n++
					must(s.Release(int64(1 + i%2)))
					must(s.Release(int64(2 - i%2)))
				}
			})
		}
		wg.Wait()
		if n != goroutines*rounds {
			t.Errorf("counted to %d, want %d", n, goroutines*rounds)
		}
	})
}
