//go:build linux

package shmsync_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestRWMutexNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	m := newRWMutexIn(t, newSegment(t), shmsync.RWMutexOptions{})
	if n := testing.AllocsPerRun(1000, func() {
		must(m.RLock(background))
		must(m.TryRLock())
		m.RUnlock()
		m.RUnlock()
		must(m.Lock(background))
		m.Unlock()
		must(m.TryLock())
		m.Unlock()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// rwFrugal: SEGMENT. Three goroutines lock while those of another process do the same, and sleep
// for it. It says how many allocations that took.
var rwFrugal = proctest.Register("rwmutex-frugal", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{Wait: shmsync.Park})
	must(err)
	sayAllocations(func(rounds int) { rwRounds(m, rounds) })
})

func rwRounds(m *shmsync.RWMutex, rounds int) {
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for range rounds {
				if i == 0 {
					must(m.Lock(background))
					runtime.Gosched() // so that the others come to wait
					m.Unlock()
				} else {
					must(m.RLock(background))
					runtime.Gosched()
					m.RUnlock()
				}
			}
		})
	}
	wg.Wait()
}

// Waiting allocates nothing either. What the runtime itself allocates meanwhile is allowed for.
func TestRWMutexNoAllocationsContended(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	checkAllocations(t, rwFrugal, newSegment(t), allocRounds/20)
}
