// Shared passes a shared Value, Array and lock to processes: clerks move money between accounts.
// Under the lock the accounts and the count of transfers fit together, even when a clerk is killed
// in the middle of a transfer.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A bank is what the processes share. Handles travel in arguments; each process gets the same objects.
type bank struct {
	Accounts  *shm.Array[int64] // the first one is the bank's own
	Transfers *shm.Value[int64]
	Lock      *shmsync.Mutex // held while both change, and while both are looked at
}

const (
	clerks    = 4
	transfers = 500 // of each clerk
	customers = 10
	start     = 1000 // what each customer begins with
)

// A job is the argument of a clerk.
type job struct {
	Bank  bank
	Clerk int64
}

// Clerk moves 10 from one customer to another, again and again, of which the bank keeps 1.
var Clerk = pool.Define("clerk", func(ctx context.Context, j job) (struct{}, error) {
	for i := range int64(transfers) {
		from := 1 + (i+j.Clerk)%customers
		if err := j.Bank.transfer(ctx, from, 1+from%customers); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, nil
})

// lock locks the bank. Each change of an object is whole whatever dies, but a clerk that is killed
// between the two changes of a transfer leaves a count that is too low. The accounts decide: the
// bank keeps 1 of each transfer.
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

// check says whether all money is there, and the bank has its share of each transfer.
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
	pool.Main() // in a process that is started below: runs its task and never returns
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

	var all []*pool.Process
	for n := range int64(clerks) {
		p, err := pool.NewProcess(Clerk, job{b, n}, pool.ProcessOptions{Name: fmt.Sprint("clerk ", n), Daemon: true})
		if err != nil {
			return err
		}
		if err := p.Start(); err != nil {
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

// open makes a bank whose customers all have the same.
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
