//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// buffer is a bounded buffer in shared memory: the lock guards it, and two conditions tell that it
// has changed.
type buffer struct {
	mu                *shmsync.Mutex
	notEmpty, notFull *shmsync.Cond
	items             *shm.RawArray[int64]
	state             *shm.RawValue[struct{ Head, Len int64 }]
}

func openBuffer(seg *shm.Segment, name string, size int) (*buffer, error) {
	var b buffer
	var err error
	if b.mu, err = shmsync.NewMutex(seg, name+" lock", shmsync.MutexOptions{}); err != nil {
		return nil, err
	}
	if b.notEmpty, err = shmsync.NewCond(seg, name+" not empty", shmsync.CondOptions{}); err != nil {
		return nil, err
	}
	if b.notFull, err = shmsync.NewCond(seg, name+" not full", shmsync.CondOptions{}); err != nil {
		return nil, err
	}
	if b.items, err = shm.NewRawArray[int64](seg, name+" items", size); err != nil {
		return nil, err
	}
	b.state, err = shm.NewRawValue(seg, name+" state", struct{ Head, Len int64 }{})
	return &b, err
}

func (b *buffer) put(ctx context.Context, item int64) error {
	if err := b.mu.Lock(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	items, s := b.items.Slice(), b.state.Pointer()
	size := int64(len(items))
	if err := b.notFull.WaitFor(ctx, b.mu, func() bool { return s.Len < size }); err != nil {
		return err
	}
	items[(s.Head+s.Len)%size] = item
	s.Len++
	b.notEmpty.Signal()
	return nil
}

func (b *buffer) get(ctx context.Context) (int64, error) {
	if err := b.mu.Lock(ctx); err != nil {
		return 0, err
	}
	defer b.mu.Unlock()
	items, s := b.items.Slice(), b.state.Pointer()
	if err := b.notEmpty.WaitFor(ctx, b.mu, func() bool { return s.Len > 0 }); err != nil {
		return 0, err
	}
	item := items[s.Head]
	s.Head = (s.Head + 1) % int64(len(items))
	s.Len--
	b.notFull.Signal()
	return item, nil
}

// A bounded buffer for integers. Here its users are goroutines; with a named segment, as from
// shm.OpenOrCreate, they could be any processes.
func ExampleCond() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	b, err := openBuffer(seg, "numbers", 4)
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	var producers sync.WaitGroup
	for range 2 {
		producers.Go(func() {
			for n := range 100 {
				if err := b.put(ctx, int64(n)); err != nil {
					log.Fatal(err)
				}
			}
		})
	}
	sum := int64(0)
	for range 200 {
		n, err := b.get(ctx)
		if err != nil {
			log.Fatal(err)
		}
		sum += n
	}
	producers.Wait()
	fmt.Println("the sum is", sum)
	// Output: the sum is 9900
}
