//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// chaosPause is what happens between two steps: most of the time nothing.
func chaosPause(r *rand.Rand) {
	if r.IntN(20) == 0 {
		proctest.Stagger(time.Millisecond) // a runner that takes its time is the subject
	}
}

// A chaosBarrier is for three parties. In the check word 0 counts those that arrive.
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
