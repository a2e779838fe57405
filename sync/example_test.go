//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Two parties move money between accounts in shared memory. Here they are goroutines; with a named
// segment, as from shm.OpenOrCreate, they could be any processes.
func Example() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	mu, err := shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{})
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := shm.NewRawArray[int64](seg, "accounts", 2)
	if err != nil {
		log.Fatal(err)
	}
	move := func(from, to int, amount int64) error {
		if err := mu.Lock(context.Background()); err != nil {
			return err
		}
		defer mu.Unlock()
		a := accounts.Slice()
		a[from] -= amount
		a[to] += amount
		return nil
	}

	var parties sync.WaitGroup
	for _, amount := range []int64{3, -1} {
		parties.Go(func() {
			for range 1000 {
				if err := move(0, 1, amount); err != nil {
					log.Fatal(err)
				}
			}
		})
	}
	parties.Wait()
	fmt.Println(accounts.Slice())
	// Output: [-2000 2000]
}

// leaveLocked stands for a process that dies while it holds the lock: an attachment of its own that
// goes away.
func leaveLocked(seg *shm.Segment) {
	other, err := shm.FromFile(seg.File())
	if err != nil {
		log.Fatal(err)
	}
	mu, err := shmsync.OpenMutex(other, "ledger", shmsync.MutexOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := mu.Lock(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := other.Close(); !errors.As(err, new(*shm.HeldError)) {
		log.Fatal(err)
	}
}

// After the death of a holder Lock returns an error, without the lock, until a caller repairs.
func ExampleMutex_LockRepair() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	mu, err := shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{})
	if err != nil {
		log.Fatal(err)
	}
	leaveLocked(seg)

	ctx := context.Background()
	fmt.Println("the owner died:", errors.Is(mu.Lock(ctx), shmsync.ErrOwnerDied))
	err = mu.LockRepair(ctx, func(*shmsync.OwnerDiedError) error {
		fmt.Println("adding up the accounts again")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	mu.Unlock()
	fmt.Println("next time:", mu.Lock(ctx))
	mu.Unlock()
	// Output:
	// the owner died: true
	// adding up the accounts again
	// next time: <nil>
}

// A Repair function does the same wherever the lock is taken, in one place.
func ExampleMutexOptions_repair() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	mu, err := shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{
		Repair: func() error {
			fmt.Println("adding up the accounts again")
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	leaveLocked(seg)

	fmt.Println("lock:", mu.Lock(context.Background()))
	mu.Unlock()
	// Output:
	// adding up the accounts again
	// lock: <nil>
}
