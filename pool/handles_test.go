package pool_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

type shared struct {
	Sum  *shm.Value[int64]
	Seen *shm.Array[int64]
	Lock *shmsync.Mutex
}

type sharedTask struct {
	Shared shared
	N      int64
}

var addTo = pool.Define("add to", func(ctx context.Context, a sharedTask) (int64, error) {
	if err := a.Shared.Lock.Lock(ctx); err != nil {
		return 0, err
	}
	a.Shared.Seen.Slice()[a.N]++
	a.Shared.Lock.Unlock()
	return a.N, a.Shared.Sum.Update(ctx, func(sum *int64) error {
		*sum += a.N
		return nil
	})
})

// Handles pass as arguments, those of an anonymous segment, too.
func TestHandles(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	var s shared
	if s.Sum, err = shm.NewValue[int64](seg, "sum", 0); err != nil {
		t.Fatal(err)
	}
	if s.Seen, err = shm.NewArray[int64](seg, "seen", 500); err != nil {
		t.Fatal(err)
	}
	if s.Lock, err = shmsync.NewMutex(seg, "lock", shmsync.MutexOptions{}); err != nil {
		t.Fatal(err)
	}
	args := make([]sharedTask, 500)
	for i := range args {
		args[i] = sharedTask{Shared: s, N: int64(i)}
	}
	if _, err := pool.Map(t.Context(), p, addTo, args); err != nil {
		t.Fatal(err)
	}
	if sum, _ := s.Sum.Load(); sum != 499*500/2 {
		t.Errorf("sum: %d", sum)
	}
	for i, n := range s.Seen.All() {
		if n != 1 {
			t.Errorf("element %d: %d", i, n)
		}
	}
}

var loadOf = pool.Define("load of", func(ctx context.Context, v *shm.Value[int64]) (int64, error) { return v.Load() })

var passGate = pool.Define("pass gate", func(ctx context.Context, gate *shmsync.Event) (bool, error) {
	return true, gate.Wait(ctx)
})

// The caller of Apply or Map may have the only handle of an object without a name, and drop it.
func TestArgumentWithoutAName(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	unnamed := func(n int64) *shm.Value[int64] {
		v, err := shm.NewValue(seg, "", n)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	gate, err := shmsync.NewEvent(seg, "gate", shmsync.EventOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// collected has the collector run while what was submitted waits for the worker.
	collected := func(tasks int) {
		proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Queued == tasks }, "the tasks are queued")
		for range 10 {
			runtime.GC()
			unnamed(-1) // looks for objects that are to be freed
		}
		gate.Set()
	}
	occupied := func() *pool.Future[bool] {
		gate.Clear()
		f, err := pool.ApplyAsync(t.Context(), p, passGate, gate)
		if err != nil {
			t.Fatal(err)
		}
		proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending == 1 && s.Queued == 0 }, "the worker is busy")
		return f
	}
	for n := range int64(5) {
		f := occupied()
		go collected(1)
		if got, err := pool.Apply(t.Context(), p, loadOf, unnamed(n)); got != n || err != nil {
			t.Fatalf("Apply: %d, %v; want %d", got, err, n)
		}
		if _, err := f.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		f = occupied()
		go collected(1)
		got, err := pool.Map(t.Context(), p, loadOf, []*shm.Value[int64]{unnamed(n)})
		if err != nil || got[0] != n {
			t.Fatalf("Map: %v, %v; want %d", got, err, n)
		}
		if _, err := f.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
