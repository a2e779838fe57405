package pool_test

import (
	"context"
	"testing"

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
