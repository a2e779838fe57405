//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A guarded is a pair of numbers that are equal whenever their lock is free.
type guarded struct {
	words []int64 // the pair, and the process that has the lock
}

// enter notes that this process is inside. Err is what the lock said; after a death the pair is
// repaired.
func (g guarded) enter() {
	g.look()
	if g.words[2] != 0 {
		panic(fmt.Sprintf("%d is inside, too", g.words[2]))
	}
	g.words[2] = int64(myPID)
}

// look checks the pair, with the lock held in whatever way.
func (g guarded) look() {
	if a, b := g.words[0], g.words[1]; a != b {
		panic(fmt.Sprintf("torn: %d and %d", a, b))
	}
}

// change changes the pair, and leaves.
func (g guarded) change(r *rand.Rand) {
	g.words[0]++
	if r.IntN(20) == 0 {
		proctest.Stagger(300 * time.Microsecond) // a holder that takes its time is the subject
	}
	g.words[1]++
	g.words[2] = 0
}

// repair makes the pair whole after a death.
func (g guarded) repair() error {
	g.words[0] = max(g.words[0], g.words[1])
	g.words[1], g.words[2] = g.words[0], 0
	return nil
}

// hold reports whether m is held after its lock has returned err. When its holder died, hold
// repairs it.
func (g guarded) hold(m repairable, err error) bool {
	if errors.Is(err, shmsync.ErrOwnerDied) {
		err = m.LockRepair(background, func(*shmsync.OwnerDiedError) error { return g.repair() })
	}
	return chaosTaken(err, shmsync.ErrLocked)
}

// chaosLock locks in one of three ways.
func chaosLock(r *rand.Rand, lock func(context.Context) error, try func() error) error {
	switch r.IntN(4) {
	case 0:
		return try()
	case 1:
		ctx, cancel := chaosSoon(r)
		defer cancel()
		return lock(ctx)
	}
	return lock(background)
}

type chaosMutex struct {
	guarded
	m, repairing *shmsync.Mutex
}

func newChaosMutex(w *chaosWorld, name string, words []int64) chaosThing {
	g := guarded{words}
	m, err := shmsync.NewMutex(w.seg, name, shmsync.MutexOptions{})
	must(err)
	repairing, err := shmsync.NewMutex(w.seg, name, shmsync.MutexOptions{Repair: g.repair})
	must(err)
	return &chaosMutex{g, m, repairing}
}

func (c *chaosMutex) use(r *rand.Rand) {
	m := c.m
	if r.IntN(2) == 0 {
		m = c.repairing
	}
	if c.hold(m, chaosLock(r, m.Lock, m.TryLock)) {
		c.enter()
		c.change(r)
		m.Unlock()
	}
}

func (c *chaosMutex) settled() {
	must(c.repairing.Lock(background))
	c.look()
	c.repairing.Unlock()
}

func (c *chaosMutex) check(int) {
	must(c.m.Lock(background))
	c.enter()
	c.words[2] = 0
	c.m.Unlock()
}

type chaosRWMutex struct {
	guarded
	m, repairing *shmsync.RWMutex
}

func newChaosRWMutex(w *chaosWorld, name string, words []int64) chaosThing {
	g := guarded{words}
	m, err := shmsync.NewRWMutex(w.seg, name, shmsync.RWMutexOptions{})
	must(err)
	repairing, err := shmsync.NewRWMutex(w.seg, name, shmsync.RWMutexOptions{Repair: g.repair})
	must(err)
	return &chaosRWMutex{g, m, repairing}
}

func (c *chaosRWMutex) use(r *rand.Rand) {
	m := c.m
	if r.IntN(2) == 0 {
		m = c.repairing
	}
	if r.IntN(3) > 0 {
		err := chaosLock(r, m.RLock, m.TryRLock)
		if !errors.Is(err, shmsync.ErrOwnerDied) { // which says that the lock is not held
			if chaosTaken(err, shmsync.ErrLocked) {
				c.look()
				if r.IntN(20) == 0 {
					// a holder that takes its time is the subject
					proctest.Stagger(300 * time.Microsecond)
				}
				c.look()
				m.RUnlock()
			}
			return
		}
	}
	if c.hold(m, chaosLock(r, m.Lock, m.TryLock)) {
		c.enter()
		c.change(r)
		m.Unlock()
	}
}

func (c *chaosRWMutex) settled() {
	must(c.repairing.RLock(background))
	c.look()
	c.repairing.RUnlock()
	must(c.repairing.Lock(background))
	c.look()
	c.repairing.Unlock()
}

func (c *chaosRWMutex) check(int) {
	must(c.m.RLock(background))
	c.look()
	c.m.RUnlock()
	must(c.m.Lock(background))
	c.enter()
	c.words[2] = 0
	c.m.Unlock()
}

type chaosRecursive struct {
	guarded
	m, repairing *shmsync.RecursiveMutex
}

func newChaosRecursive(w *chaosWorld, name string, words []int64) chaosThing {
	g := guarded{words}
	m, err := shmsync.NewRecursiveMutex(w.seg, name, shmsync.MutexOptions{})
	must(err)
	repairing, err := shmsync.NewRecursiveMutex(w.seg, name, shmsync.MutexOptions{Repair: g.repair})
	must(err)
	return &chaosRecursive{g, m, repairing}
}

func (c *chaosRecursive) use(r *rand.Rand) {
	m := c.m
	if r.IntN(2) == 0 {
		m = c.repairing
	}
	h := shmsync.NewHolder()
	l := m.As(h)
	if c.hold(l, chaosLock(r, l.Lock, l.TryLock)) {
		c.enter()
		must(m.Lock(background, h))
		c.change(r)
		m.Unlock(h)
		l.Unlock()
	}
}

func (c *chaosRecursive) settled() {
	h := shmsync.NewHolder()
	must(c.repairing.Lock(background, h))
	c.look()
	c.repairing.Unlock(h)
}

func (c *chaosRecursive) check(int) {
	h := shmsync.NewHolder()
	for range 2 {
		must(c.m.Lock(background, h))
	}
	c.enter()
	c.words[2] = 0
	c.m.Unlock(h)
	c.m.Unlock(h)
}
