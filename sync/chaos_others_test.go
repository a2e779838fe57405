//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	shmsync "github.com/shmkit/shmkit/sync"
)

const chaosUnits = 4

// chaosPause is what happens between two steps: most of the time nothing.
func chaosPause(r *rand.Rand) {
	if r.IntN(20) == 0 {
		time.Sleep(time.Duration(r.IntN(1000)) * time.Microsecond)
	}
}

// until waits, in a check, for what other processes do.
func until(what string, cond func() bool) {
	for began := time.Now(); !cond(); time.Sleep(time.Millisecond) {
		if time.Since(began) > chaosStuck/2 {
			panic("not in time: " + what)
		}
	}
}

// A chaosSemaphore loses units with those who have them, and gets others at random.
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
		if !c.undo && r.IntN(4) == 0 { // in the place of somebody who has died
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
	time.Sleep(2 * time.Millisecond)
	c.e.Set()
}

// A chaosBarrier is for three; word 0 counts those who come, in the check.
type chaosBarrier struct {
	b     *shmsync.Barrier
	words []int64
}

func newChaosBarrier(w *chaosWorld, name string, words []int64) chaosThing {
	b, err := shmsync.NewBarrier(w.seg, name, 3, shmsync.BarrierOptions{Spectator: w.looks})
	must(err)
	return &chaosBarrier{b, words}
}

func (c *chaosBarrier) use(r *rand.Rand) {
	switch r.IntN(10) {
	case 0:
		c.b.Reset()
	case 1:
		c.b.Abort()
	default:
		ctx, cancel := chaosSoon(r)
		defer cancel()
		index, err := c.b.Wait(ctx)
		if chaosTaken(err, shmsync.ErrBroken) {
			if index < 0 || index > 2 {
				panic(fmt.Sprintf("came as number %d of 3", index))
			}
		} else if r.IntN(2) == 0 {
			c.b.Reset()
		}
	}
}

func (c *chaosBarrier) settled() {
	c.b.Reset()
	if c.b.Broken() || c.b.Waiting() != 0 {
		panic(fmt.Sprintf("after a Reset: broken %v, %d waiting", c.b.Broken(), c.b.Waiting()))
	}
}

func (c *chaosBarrier) check(int) {
	for round := range int64(3) {
		atomic.AddInt64(&c.words[0], 1)
		_, err := c.b.Wait(background)
		must(err)
		if n := atomic.LoadInt64(&c.words[0]); n < 3*(round+1) {
			panic(fmt.Sprintf("after round %d only %d have come", round, n))
		}
		_, err = c.b.Wait(background)
		must(err)
	}
}

var errNotYet = errors.New("not this time")

// A chaosOnce has word 0 count the functions that have succeeded, which they do only in the check.
type chaosOnce struct {
	o     *shmsync.Once
	words []int64
}

func newChaosOnce(w *chaosWorld, name string, words []int64) chaosThing {
	o, err := shmsync.NewOnce(w.seg, name, shmsync.OnceOptions{})
	must(err)
	return &chaosOnce{o, words}
}

func (c *chaosOnce) use(r *rand.Rand) {
	ctx, cancel := chaosSoon(r)
	defer cancel()
	if chaosTaken(c.o.Do(ctx, func() error { chaosPause(r); return errNotYet }), errNotYet) {
		panic("done, by nobody")
	}
}

func (c *chaosOnce) settled() {
	if c.o.Done() {
		panic("done, by nobody")
	}
}

func (c *chaosOnce) check(int) {
	must(c.o.Do(background, func() error { c.words[0]++; return nil }))
	if c.words[0] != 1 {
		panic(fmt.Sprintf("done %d times", c.words[0]))
	}
}

// A chaosWaitGroup counts what living processes have to do.
type chaosWaitGroup struct{ g *shmsync.WaitGroup }

func newChaosWaitGroup(w *chaosWorld, name string, _ []int64) chaosThing {
	g, err := shmsync.NewWaitGroup(w.seg, name, shmsync.WaitGroupOptions{Undo: true})
	must(err)
	return &chaosWaitGroup{g}
}

func (c *chaosWaitGroup) use(r *rand.Rand) {
	if r.IntN(2) == 0 {
		n := int64(1 + r.IntN(3))
		must(c.g.Add(n))
		chaosPause(r)
		if have := c.g.Count(); have < n {
			panic(fmt.Sprintf("%d to do, of which %d here", have, n))
		}
		for range n {
			must(c.g.Done())
		}
		return
	}
	ctx, cancel := chaosSoon(r)
	defer cancel()
	chaosTaken(c.g.Wait(ctx))
}

func (c *chaosWaitGroup) settled() {
	must(c.g.Wait(background))
	if n := c.g.Count(); n != 0 {
		panic(fmt.Sprintf("%d are to do", n))
	}
}

func (c *chaosWaitGroup) check(int) {
	must(c.g.Add(2))
	must(c.g.Done())
	must(c.g.Done())
	must(c.g.Wait(background))
}
