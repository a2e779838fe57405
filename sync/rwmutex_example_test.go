//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Many processes read a table that one of them changes now and then. After a writer died halfway,
// the next process to lock repairs the table, reader or writer.
func ExampleRWMutex() {
	seg, err := shm.OpenOrCreate("example-rwmutex", shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	defer shm.Remove("example-rwmutex")

	prices, err := shm.NewRawArray[int64](seg, "prices", 3)
	if err != nil {
		log.Fatal(err)
	}
	mu, err := shmsync.NewRWMutex(seg, "prices lock", shmsync.RWMutexOptions{
		Repair: func() error { clear(prices.Slice()); return nil },
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	if err := mu.Lock(ctx); err != nil {
		log.Fatal(err)
	}
	copy(prices.Slice(), []int64{3, 5, 8})
	fmt.Println("a reader now:", errors.Is(mu.TryRLock(), shmsync.ErrLocked))
	mu.Unlock()

	if err := mu.RLock(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("prices:", prices.Slice())
	fmt.Println("another reader:", mu.TryRLock())
	mu.RUnlock()
	mu.RUnlock()
	// Output:
	// a reader now: true
	// prices: [3 5 8]
	// another reader: <nil>
}
