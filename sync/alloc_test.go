//go:build linux

package shmsync_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	m := newMutex(t, newSegment(t), "a")
	if n := testing.AllocsPerRun(1000, func() {
		must(m.Lock(background))
		m.Unlock()
		must(m.TryLock())
		m.Unlock()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// allocRounds is so many that threads, which the runtime allocates when system calls take long, are
// few beside them.
const allocRounds = 30_000

// sayAllocations says how many allocations some rounds take, while another process does the same.
func sayAllocations(use func(rounds int)) {
	proctest.Say("ready")
	proctest.Hear()
	use(allocRounds / 10) // to fill the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	use(allocRounds)
	runtime.ReadMemStats(&after)
	proctest.Say("%d", after.Mallocs-before.Mallocs)
	use(allocRounds / 10) // for the other to contend with
}

// checkAllocations runs two processes in a role that calls sayAllocations, and fails the test if
// one of them says more than it may.
func checkAllocations(t *testing.T, role string, seg *shm.Segment, most int) {
	t.Helper()
	children := []*proctest.Child{proctest.Start(t, role, seg.Path()), proctest.Start(t, role, seg.Path())}
	for _, c := range children {
		c.Expect("ready")
	}
	for _, c := range children {
		c.Send("go")
	}
	for _, c := range children {
		var n int
		if _, err := fmt.Sscan(c.Line(), &n); err != nil || n > most {
			t.Errorf("%d allocations in %d rounds of each goroutine, more than %d", n, allocRounds, most)
		}
		t.Logf("%d allocations", n)
		c.WaitOK()
	}
}

// frugal: SEGMENT. Two goroutines lock and unlock while those of another process do the same, and
// sleep for it. It says how many allocations that took.
var frugal = proctest.Register("frugal", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{Wait: shmsync.Park})
	must(err)
	sayAllocations(func(rounds int) { lockAndUnlock(m, rounds) })
})

func lockAndUnlock(m *shmsync.Mutex, rounds int) {
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range rounds {
				must(m.Lock(background))
				runtime.Gosched() // so that the others come to wait
				m.Unlock()
			}
		})
	}
	wg.Wait()
}

// Waiting allocates nothing either. What the runtime itself allocates meanwhile is allowed for.
func TestNoAllocationsContended(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	checkAllocations(t, frugal, newSegment(t), allocRounds/50)
}
