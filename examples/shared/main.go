// Shared passes a shared Value, Array and lock to processes: clerks move money between accounts.
// Under the lock the accounts and the count of transfers fit together, even when a clerk is killed
// in the middle of a transfer.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A bank holds handles of the objects that the processes share. Handles travel in arguments, and
// each process gets the same objects.
type bank struct {
	Accounts  *shm.Array[int64] // the first one is the bank's own
	Transfers *shm.Value[int64]
	Lock      *shmsync.Mutex // held while the other two are changed or read together
}

const (
	clerks    = 4
	transfers = 500 // of each clerk
	customers = 10
	start     = 1000 // money of each customer at the beginning
)

// A job is the argument of a clerk.
type job struct {
	Bank  bank
	Clerk int64
}

// Clerk makes transfers. Each takes 10 from one customer, gives 9 to another, and leaves 1 with the
// bank.
var Clerk = pool.Define("clerk", func(ctx context.Context, j job) (struct{}, error) {
	for i := range int64(transfers) {
		from := 1 + (i+j.Clerk)%customers
		if err := j.Bank.transfer(ctx, from, 1+from%customers); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, nil
})

// lock locks the bank. A killed clerk never leaves one object half-changed, but one that is killed
// between the two changes of a transfer leaves a count of transfers that is too low. Then the
// repair sets the count to the bank's own account, which has 1 from each transfer.
func (b bank) lock(ctx context.Context) error {
	return b.Lock.LockRepair(ctx, func(*shmsync.OwnerDiedError) error {
		var done int64
		if err := b.Accounts.Read(ctx, func(a []int64) error { done = a[0]; return nil }); err != nil {
			return err
		}
		return b.Transfers.Store(ctx, done)
	})
}

func (b bank) transfer(ctx context.Context, from, to int64) error {
	if err := b.lock(ctx); err != nil {
		return err
	}
	defer b.Lock.Unlock()
	err := b.Accounts.Update(ctx, func(a []int64) error {
		a[from] -= 10
		a[to] += 9
		a[0]++
		return nil
	})
	if err != nil {
		return err
	}
	return b.Transfers.Update(ctx, func(n *int64) error { *n++; return nil })
}

// check returns the number of transfers. It fails if the accounts do not have all the money, or the
// bank does not have its share of each transfer.
func (b bank) check(ctx context.Context) (n int64, err error) {
	if err := b.lock(ctx); err != nil {
		return 0, err
	}
	defer b.Lock.Unlock()
	if n, err = b.Transfers.Load(); err != nil {
		return 0, err
	}
	return n, b.Accounts.Read(ctx, func(a []int64) error {
		sum := int64(0)
		for _, amount := range a {
			sum += amount
		}
		if sum != customers*start || a[0] != n {
			return fmt.Errorf("%d are there of %d, and the bank has %d of %d transfers", sum, customers*start, a[0], n)
		}
		return nil
	})
}

func main() {
	log.SetFlags(0)
	pool.Main() // in a process that is started below it runs the task and never returns
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		return err
	}
	defer seg.Close()
	b, err := open(ctx, seg)
	if err != nil {
		return err
	}

	var all []*process.Process
	for n := range int64(clerks) {
		p, err := process.Start(context.Background(), Clerk, job{b, n}, process.Options{Name: fmt.Sprint("clerk ", n), Daemon: true})
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	if _, err := b.check(ctx); err != nil { // while they are at work
		return err
	}
	for _, p := range all {
		if err := p.Join(ctx); err != nil {
			return err
		}
		if code, _ := p.ExitCode(); code != 0 {
			return fmt.Errorf("%s ended with exit code %d", p.Name(), code)
		}
	}
	n, err := b.check(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d transfers by %d processes, and every coin is there\n", n, clerks)
	return nil
}

// open makes a bank in which each customer has the same money.
func open(ctx context.Context, seg *shm.Segment) (bank, error) {
	b, err := bankIn(seg)
	if err != nil {
		return b, err
	}
	return b, b.Accounts.Update(ctx, func(a []int64) error {
		for i := range a[1:] {
			a[1+i] = start
		}
		return nil
	})
}

// bankIn finds or makes the objects of a bank.
func bankIn(seg *shm.Segment) (b bank, err error) {
	if b.Accounts, err = shm.NewArray[int64](seg, "accounts", 1+customers); err != nil {
		return b, err
	}
	if b.Transfers, err = shm.NewValue(seg, "transfers", int64(0)); err != nil {
		return b, err
	}
	b.Lock, err = shmsync.NewMutex(seg, "lock", shmsync.MutexOptions{})
	return b, err
}
