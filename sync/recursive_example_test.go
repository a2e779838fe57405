//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A function that locks what it changes calls another that does the same.
func ExampleRecursiveMutex() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	mu, err := shmsync.NewRecursiveMutex(seg, "ledger", shmsync.MutexOptions{})
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := shm.NewRawArray[int64](seg, "accounts", 2)
	if err != nil {
		log.Fatal(err)
	}
	deposit := func(h *shmsync.Holder, account int, amount int64) error {
		if err := mu.Lock(context.Background(), h); err != nil {
			return err
		}
		defer mu.Unlock(h)
		accounts.Slice()[account] += amount
		return nil
	}
	move := func(h *shmsync.Holder, from, to int, amount int64) error {
		if err := mu.Lock(context.Background(), h); err != nil {
			return err
		}
		defer mu.Unlock(h)
		if err := deposit(h, from, -amount); err != nil { // which locks it once more
			return err
		}
		return deposit(h, to, amount)
	}

	h := shmsync.NewHolder()
	fmt.Println(move(h, 0, 1, 5), accounts.Slice())
	// Output: <nil> [-5 5]
}
