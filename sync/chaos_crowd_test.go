//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

const manyObjects = 1000

// A blocker is an object at which goroutines of another process wait until this one lets them go.
type blocker struct {
	wait func(ctx context.Context) error // in one process
	free func()                          // in the other
}

// blockers make the object of that name, one for each kind and way of waiting. The process that
// frees the waiters has the object first.
var blockers = []func(seg *shm.Segment, name string, frees bool) blocker{
	func(seg *shm.Segment, name string, frees bool) blocker {
		m, err := shmsync.NewMutex(seg, name, shmsync.MutexOptions{})
		must(err)
		if frees {
			must(m.Lock(background))
		}
		return blocker{lockedBy(m.Lock, m.Unlock), m.Unlock}
	},
	func(seg *shm.Segment, name string, frees bool) blocker {
		m, err := shmsync.NewRWMutex(seg, name, shmsync.RWMutexOptions{})
		must(err)
		if frees {
			must(m.Lock(background))
		}
		return blocker{lockedBy(m.RLock, m.RUnlock), m.Unlock}
	},
	func(seg *shm.Segment, name string, frees bool) blocker {
		m, err := shmsync.NewRWMutex(seg, name, shmsync.RWMutexOptions{})
		must(err)
		if frees {
			must(m.RLock(background))
		}
		return blocker{lockedBy(m.Lock, m.Unlock), m.RUnlock}
	},
	func(seg *shm.Segment, name string, frees bool) blocker {
		m, err := shmsync.NewRecursiveMutex(seg, name, shmsync.MutexOptions{})
		must(err)
		h := shmsync.NewHolder()
		if frees {
			must(m.Lock(background, h))
		}
		wait := func(ctx context.Context) error {
			l := m.As(shmsync.NewHolder())
			return lockedBy(l.Lock, l.Unlock)(ctx)
		}
		return blocker{wait, func() { m.Unlock(h) }}
	},
	func(seg *shm.Segment, name string, _ bool) blocker {
		s, err := shmsync.NewSemaphore(seg, name, 0, shmsync.SemaphoreOptions{})
		must(err)
		return blocker{func(ctx context.Context) error { return s.Acquire(ctx, 1) }, func() { must(s.Release(crowd)) }}
	},
	func(seg *shm.Segment, name string, frees bool) blocker {
		s, err := shmsync.NewSemaphore(seg, name, crowd, shmsync.SemaphoreOptions{Undo: true})
		must(err)
		if frees {
			must(s.Acquire(background, crowd))
		}
		return blocker{func(ctx context.Context) error { return s.Acquire(ctx, 1) }, func() { must(s.Release(crowd)) }}
	},
	func(seg *shm.Segment, name string, _ bool) blocker {
		c, err := shmsync.NewCond(seg, name, shmsync.CondOptions{})
		must(err)
		m, err := shmsync.NewMutex(seg, name+" lock", shmsync.MutexOptions{})
		must(err)
		freed, err := shm.NewBool(seg, name+" freed", false)
		must(err)
		wait := func(ctx context.Context) error {
			must(m.Lock(background))
			defer m.Unlock()
			for !freed.Load() { // a waiter may come after the broadcast
				if err := c.Wait(ctx, m); err != nil {
					return err
				}
			}
			return nil
		}
		return blocker{wait, func() {
			must(m.Lock(background))
			freed.Store(true)
			m.Unlock()
			c.Broadcast()
		}}
	},
	func(seg *shm.Segment, name string, _ bool) blocker {
		e, err := shmsync.NewEvent(seg, name, shmsync.EventOptions{})
		must(err)
		return blocker{e.Wait, e.Set}
	},
	func(seg *shm.Segment, name string, frees bool) blocker {
		b, err := shmsync.NewBarrier(seg, name, crowd, shmsync.BarrierOptions{Spectator: frees})
		must(err)
		wait := func(ctx context.Context) error {
			_, err := b.Wait(ctx)
			if errors.Is(err, shmsync.ErrBroken) && ctx.Err() == nil {
				return nil // freed
			}
			return err
		}
		return blocker{wait, b.Abort}
	},
	func(seg *shm.Segment, name string, frees bool) blocker {
		o, err := shmsync.NewOnce(seg, name, shmsync.OnceOptions{})
		must(err)
		finish, begun := make(chan bool), make(chan bool)
		if frees {
			go func() { must(o.Do(background, func() error { close(begun); <-finish; return nil })) }()
			<-begun
		}
		return blocker{func(ctx context.Context) error { return o.Do(ctx, func() error { return errNotYet }) }, func() { close(finish) }}
	},
	func(seg *shm.Segment, name string, frees bool) blocker {
		g, err := shmsync.NewWaitGroup(seg, name, shmsync.WaitGroupOptions{})
		must(err)
		if frees {
			must(g.Add(1))
		}
		return blocker{g.Wait, func() { must(g.Done()) }}
	},
}

// lockedBy is a wait for a lock that is unlocked at once.
func lockedBy(lock func(context.Context) error, unlock func()) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := lock(ctx); err != nil {
			return err
		}
		unlock()
		return nil
	}
}

func newBlockers(seg *shm.Segment, frees bool) (all []blocker) {
	for i := range manyObjects {
		all = append(all, blockers[i%len(blockers)](seg, fmt.Sprint("object ", i), frees))
	}
	return all
}

// many-blocked: SEGMENT. A crowd of goroutines waits, ten for each object. It says how many threads
// that takes, and how many of them got what they wanted.
var manyBlocked = proctest.Register("many-blocked", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	all := newBlockers(seg, false)
	ctx, cancel := context.WithTimeout(background, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var began, freed atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			must(all[i%len(all)].wait(ctx))
			freed.Add(1)
		})
	}
	for began.Load() < crowd {
		proctest.Stagger(2 * time.Millisecond) // between two looks
	}
	// all but a few sleep by then: no list has 10,000 goroutines
	proctest.Stagger(400 * time.Millisecond)
	proctest.Say("%d threads, %d freed", threads(), freed.Load())
	wg.Wait()
	proctest.Say("%d threads, %d freed", threads(), freed.Load())
})

// 10,000 goroutines of one process that wait for 1,000 objects of all kinds need few threads, while
// they wait and when all are freed at once.
func TestManyBlocked(t *testing.T) {
	t.Parallel()
	seg, err := shm.Create(proctest.Dir(t)+"/segment", shm.Options{Size: 64 << 20, Objects: 4 * manyObjects})
	must(err)
	t.Cleanup(func() { seg.Close() }) // reports what is held only when the test has failed before
	all := newBlockers(seg, true)
	c := proctest.Start(t, manyBlocked, seg.Path())
	checkMany(t, "while all wait", c.Line(), 0)
	began := time.Now()
	for _, b := range all {
		b.free()
	}
	checkMany(t, "when all were freed", c.Line(), crowd)
	t.Logf("freed within %v", time.Since(began))
	c.WaitOK()
}

func checkMany(t *testing.T, when, line string, freed int) {
	t.Helper()
	var n, m int
	if _, err := fmt.Sscanf(line, "%d threads, %d freed", &n, &m); err != nil {
		t.Fatalf("%s: %q", when, line)
	}
	t.Logf("%s: %s", when, line)
	if n > proctest.FewThreads && !race.Enabled {
		t.Errorf("%s the process has %d threads", when, n)
	}
	if m != freed {
		t.Errorf("%s %d are free", when, m)
	}
}
