//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Two jobs are waited for. They are done by goroutines here; with a named segment any process could
// do them.
func ExampleWaitGroup() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	jobs, err := shmsync.NewWaitGroup(seg, "jobs", shmsync.WaitGroupOptions{})
	if err != nil {
		log.Fatal(err)
	}
	var results [2]int
	for i := range results {
		if err := jobs.Add(1); err != nil {
			log.Fatal(err)
		}
		go func() {
			results[i] = 10 * (i + 1)
			if err := jobs.Done(); err != nil {
				log.Fatal(err)
			}
		}()
	}
	if err := jobs.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(results, jobs.Count())
	// Output: [10 20] 0
}
