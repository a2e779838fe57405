// Work distributes jobs to processes. The parent puts the jobs into a joinable queue and waits
// until all of them are done, not only taken. The queue is bounded, so the parent is never far
// ahead.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A desk holds handles of the queue of jobs and of the array of results.
type desk struct {
	Jobs  *queue.Queue[int64] // a job is a number
	Steps *shm.Array[int64]   // for each number, the length of its Collatz sequence down to 1
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
		// The caller of Join sees the result: TaskDone synchronizes before Join returns.
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
	pool.Main() // in a worker it runs the task and never returns
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
		_, err := process.Start(ctx, Worker, d, process.Options{Daemon: true})
		if err != nil {
			return err
		}
	}

	for n := range int64(numbers) {
		if err := d.Jobs.Put(ctx, n); err != nil { // waits for room
			return err
		}
	}
	// Join does not wait for the jobs of a worker that has died.
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

	if err := d.Jobs.Close(); err != nil { // now the workers end
		return err
	}
	for _, p := range process.Children() {
		if err := p.Join(ctx); err != nil {
			return err
		}
		if code, _ := p.ExitCode(); code != 0 {
			return fmt.Errorf("%s ended with exit code %d", p.Name(), code)
		}
	}
	return nil
}
