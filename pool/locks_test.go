package pool_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A toolbox is one synchronization object of each kind. Handles travel as they are.
type toolbox struct {
	Mutex     *shmsync.Mutex
	RWMutex   *shmsync.RWMutex
	Recursive *shmsync.RecursiveMutex
	Semaphore *shmsync.Semaphore
	Cond      *shmsync.Cond
	Event     *shmsync.Event
	Barrier   *shmsync.Barrier
	Once      *shmsync.Once
	Group     *shmsync.WaitGroup
	Count     *shm.RawValue[int64] // guarded by Mutex, and then by all the others
	Onces     *shm.Counter
}

func newToolbox(t *testing.T, seg *shm.Segment, parties int) toolbox {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var b toolbox
	var err error
	b.Mutex, err = shmsync.NewMutex(seg, "mutex", shmsync.MutexOptions{})
	check(err)
	b.RWMutex, err = shmsync.NewRWMutex(seg, "rwmutex", shmsync.RWMutexOptions{})
	check(err)
	b.Recursive, err = shmsync.NewRecursiveMutex(seg, "recursive", shmsync.MutexOptions{})
	check(err)
	b.Semaphore, err = shmsync.NewSemaphore(seg, "semaphore", 1, shmsync.SemaphoreOptions{Undo: true})
	check(err)
	b.Cond, err = shmsync.NewCond(seg, "cond", shmsync.CondOptions{})
	check(err)
	b.Event, err = shmsync.NewEvent(seg, "event", shmsync.EventOptions{})
	check(err)
	b.Barrier, err = shmsync.NewBarrier(seg, "barrier", parties, shmsync.BarrierOptions{Spectator: true})
	check(err)
	b.Once, err = shmsync.NewOnce(seg, "once", shmsync.OnceOptions{})
	check(err)
	b.Group, err = shmsync.NewWaitGroup(seg, "group", shmsync.WaitGroupOptions{})
	check(err)
	b.Count, err = shm.NewRawValue(seg, "count", int64(0))
	check(err)
	b.Onces, err = shm.NewCounter(seg, "onces")
	check(err)
	return b
}

// use waits for the event, then uses every lock, meets the others at the barrier, and tells the
// parent.
func (b toolbox) use(ctx context.Context) error {
	if err := b.Event.Wait(ctx); err != nil {
		return err
	}
	if err := b.Once.Do(ctx, func() error { b.Onces.Add(1); return nil }); err != nil {
		return err
	}
	add := func() { *b.Count.Pointer()++ }
	h := shmsync.NewHolder()
	for _, lock := range []func() (unlock func(), err error){
		func() (func(), error) { return b.Mutex.Unlock, b.Mutex.Lock(ctx) },
		func() (func(), error) { return b.RWMutex.Unlock, b.RWMutex.Lock(ctx) },
		func() (func(), error) { return func() { b.Recursive.Unlock(h) }, b.Recursive.Lock(ctx, h) },
		func() (func(), error) { return func() { b.Semaphore.Release(1) }, b.Semaphore.Acquire(ctx, 1) },
	} {
		// so that one kind of lock guards the count at a time
		if _, err := b.Barrier.Wait(ctx); err != nil {
			return err
		}
		for range 100 {
			unlock, err := lock()
			if err != nil {
				return err
			}
			add()
			unlock()
		}
	}
	if err := b.Mutex.Lock(ctx); err != nil {
		return err
	}
	b.Cond.Broadcast()
	b.Mutex.Unlock()
	return b.Group.Done()
}

var useTools = pool.Define("use tools", func(ctx context.Context, b toolbox) (string, error) { return "ok", b.use(ctx) })

// Synchronization objects of all kinds pass to workers as arguments of a task.
func TestLocksAsArguments(t *testing.T) {
	const workers = 2
	seg, err := shm.Create(filepath.Join(proctest.Dir(t), "segment"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	b := newToolbox(t, seg, workers)
	p := newPool(t, pool.Options{Workers: workers})
	ctx, cancel := context.WithTimeout(context.Background(), proctest.Hang)
	defer cancel()
	if err := b.Group.Add(workers); err != nil {
		t.Fatal(err)
	}
	finished := make(chan error, 1)
	go func() {
		if err := b.Group.Wait(ctx); err != nil {
			finished <- err
			return
		}
		finished <- b.Mutex.Lock(ctx)
	}()
	go func() {
		asleep.AwaitFor(t, seg, "event", 1)
		b.Event.Set()
	}()
	results, err := pool.Map(ctx, p, useTools, []toolbox{b, b})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	b.Mutex.Unlock()
	if fmt.Sprint(results) != "[ok ok]" || *b.Count.Pointer() != 4*100*workers || b.Onces.Sum() != 1 {
		t.Errorf("%v, count %d, once %d times", results, *b.Count.Pointer(), b.Onces.Sum())
	}
}
