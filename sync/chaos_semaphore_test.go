//go:build linux

package shmsync_test

import (
	"fmt"
	"math/rand/v2"

	shmsync "github.com/shmkit/shmkit/sync"
)

const chaosUnits = 4

// A chaosSemaphore loses the units of dead processes, and gets others at random.
type chaosSemaphore struct {
	s    *shmsync.Semaphore
	undo bool
}

func newChaosSemaphore(w *chaosWorld, name string, _ []int64) chaosThing {
	s, err := shmsync.NewSemaphore(w.seg, name, chaosUnits, shmsync.SemaphoreOptions{Max: chaosUnits})
	must(err)
	return &chaosSemaphore{s, false}
}

func newChaosUndo(w *chaosWorld, name string, _ []int64) chaosThing {
	s, err := shmsync.NewSemaphore(w.seg, name, chaosUnits, shmsync.SemaphoreOptions{Max: chaosUnits, Undo: true})
	must(err)
	return &chaosSemaphore{s, true}
}

func (c *chaosSemaphore) use(r *rand.Rand) {
	n := int64(1 + r.IntN(3))
	if n == 3 {
		n = chaosUnits
	}
	var err error
	if r.IntN(3) == 0 {
		err = c.s.TryAcquire(n)
	} else {
		ctx, cancel := chaosSoon(r)
		defer cancel()
		err = c.s.Acquire(ctx, n)
	}
	if !chaosTaken(err, shmsync.ErrLocked) {
		if !c.undo && r.IntN(4) == 0 { // in place of a process that has died
			chaosTaken(c.s.Release(1), shmsync.ErrOverRelease)
		}
		return
	}
	if free := c.s.Available(); free < 0 || free > chaosUnits || c.undo && free > chaosUnits-n {
		panic(fmt.Sprintf("%d units are free, while %d are in use here", free, n))
	}
	chaosPause(r)
	if err := c.s.Release(n); c.undo {
		must(err)
	} else {
		chaosTaken(err, shmsync.ErrOverRelease)
	}
}

func (c *chaosSemaphore) settled() {
	for !c.undo && c.s.Available() < chaosUnits {
		must(c.s.Release(1))
	}
	must(c.s.TryAcquire(chaosUnits)) // looks for the dead
	must(c.s.Release(chaosUnits))
	if free := c.s.Available(); free != chaosUnits {
		panic(fmt.Sprintf("%d units are free", free))
	}
}

func (c *chaosSemaphore) check(int) {
	must(c.s.Acquire(background, chaosUnits))
	must(c.s.Release(chaosUnits))
}
