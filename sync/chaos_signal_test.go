//go:build linux

package shmsync_test

import (
	"math/rand/v2"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// until waits, in a check, for what other processes do.
func until(what string, cond func() bool) {
	for began := time.Now(); !cond(); proctest.Stagger(2 * time.Millisecond) {
		if time.Since(began) > chaosStuck/2 {
			panic("not in time: " + what)
		}
	}
}

// A chaosCond is a store with a lock: word 0 says how much there is.
type chaosCond struct {
	c     *shmsync.Cond
	m     *shmsync.Mutex
	words []int64
}

func newChaosCond(w *chaosWorld, name string, words []int64) chaosThing {
	c, err := shmsync.NewCond(w.seg, name, shmsync.CondOptions{})
	must(err)
	m, err := shmsync.NewMutex(w.seg, name+" lock", shmsync.MutexOptions{Repair: func() error { return nil }})
	must(err)
	return &chaosCond{c, m, words}
}

func (c *chaosCond) use(r *rand.Rand) {
	must(c.m.Lock(background))
	defer c.m.Unlock()
	switch r.IntN(4) {
	case 0, 1:
		if c.words[0] < 100 {
			c.words[0]++
		}
		c.c.Signal()
	case 2:
		c.c.Broadcast()
	default:
		ctx, cancel := chaosSoon(r)
		defer cancel()
		if chaosTaken(c.c.WaitFor(ctx, c.m, func() bool { return c.words[0] > 0 })) {
			if c.words[0]--; c.words[0] < 0 {
				panic("less than nothing is there")
			}
		}
	}
}

func (c *chaosCond) settled() {
	must(c.m.Lock(background))
	c.words[0] = 0
	c.m.Unlock()
	until("nobody waits", func() bool { return c.c.Waiting() == 0 })
}

func (c *chaosCond) check(k int) {
	if k < 2 {
		must(c.m.Lock(background))
		must(c.c.Wait(background, c.m))
		c.words[0]++
		c.m.Unlock()
		return
	}
	until("two wait", func() bool { return c.c.Waiting() == 2 })
	for n := range int64(2) {
		c.c.Signal()
		until("a waiter has gone on", func() bool {
			must(c.m.Lock(background))
			defer c.m.Unlock()
			return c.words[0] == n+1
		})
	}
}

type chaosEvent struct{ e *shmsync.Event }

func newChaosEvent(w *chaosWorld, name string, _ []int64) chaosThing {
	e, err := shmsync.NewEvent(w.seg, name, shmsync.EventOptions{})
	must(err)
	return &chaosEvent{e}
}

func (c *chaosEvent) use(r *rand.Rand) {
	switch r.IntN(3) {
	case 0:
		c.e.Set()
	case 1:
		c.e.Clear()
	default:
		ctx, cancel := chaosSoon(r)
		defer cancel()
		chaosTaken(c.e.Wait(ctx))
	}
}

func (c *chaosEvent) settled() {
	c.e.Set()
	must(c.e.Wait(background))
	c.e.Clear()
	if c.e.IsSet() {
		panic("set after a Clear")
	}
}

func (c *chaosEvent) check(k int) {
	if k < 2 {
		must(c.e.Wait(background))
		return
	}
	proctest.Stagger(4 * time.Millisecond) // so that others may wait by then
	c.e.Set()
}
