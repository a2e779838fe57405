// Work is a queue of work for processes: the parent puts jobs into a joinable queue and waits until
// all are done, not only taken. The queue is bounded, so that the parent is never far ahead.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A desk is where work is put, and where the results are.
type desk struct {
	Jobs  *queue.Queue[int64] // numbers
	Steps *shm.Array[int64]   // how many steps of Collatz's each number takes to 1
}

// Worker takes jobs until the queue is closed.
var Worker = pool.Define("worker", func(ctx context.Context, d desk) (struct{}, error) {
	for n, err := range d.Jobs.All(ctx) {
		if err != nil {
			return struct{}{}, err
		}
		if err := d.Steps.Set(ctx, int(n), steps(n)); err != nil {
			return struct{}{}, err
		}
		// what it has written is visible to the caller when Join returns
		if err := d.Jobs.TaskDone(); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, nil
})

func steps(n int64) (count int64) {
	for ; n > 1; count++ {
		if n%2 == 0 {
			n /= 2
		} else {
			n = 3*n + 1
		}
	}
	return count
}

const (
	workers = 3
	numbers = 3000
)

func main() {
	log.SetFlags(0)
	pool.Main() // in a worker: runs its task and never returns
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
	var d desk
	if d.Jobs, err = queue.NewQueue[int64](seg, "jobs", 64, queue.Options{Joinable: true}); err != nil {
		return err
	}
	if d.Steps, err = shm.NewArray[int64](seg, "steps", numbers); err != nil {
		return err
	}
	for range workers {
		// A daemon ends with this process, however that ends.
		p, err := pool.NewProcess(Worker, d, pool.ProcessOptions{Daemon: true})
		if err != nil {
			return err
		}
		if err := p.Start(); err != nil {
			return err
		}
	}

	for n := range int64(numbers) {
		if err := d.Jobs.Put(ctx, n); err != nil { // waits for room
			return err
		}
	}
	// what a worker had taken that has died is not waited for
	if err := d.Jobs.Join(ctx); err != nil {
		return err
	}
	best := int64(0)
	err = d.Steps.Read(ctx, func(all []int64) error {
		for n := range all {
			if all[n] > all[best] {
				best = int64(n)
			}
		}
		fmt.Printf("of %d numbers, %d takes most steps: %d\n", len(all), best, all[best])
		return nil
	})
	if err != nil {
		return err
	}

	if err := d.Jobs.Close(); err != nil { // now they end
		return err
	}
	for _, p := range pool.ActiveChildren() {
		if err := p.Join(ctx); err != nil {
			return err
		}
		if code, _ := p.ExitCode(); code != 0 {
			return fmt.Errorf("%s ended with exit code %d", p.Name(), code)
		}
	}
	return nil
}
