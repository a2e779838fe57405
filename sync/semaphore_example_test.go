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

// At most three jobs at a time, in all processes together. When a process dies its jobs do not
// count any more.
func ExampleSemaphore() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	jobs, err := shmsync.NewSemaphore(seg, "jobs", 3, shmsync.SemaphoreOptions{Undo: true})
	if err != nil {
		log.Fatal(err)
	}
	if err := jobs.Acquire(context.Background(), 2); err != nil {
		log.Fatal(err)
	}
	fmt.Println(jobs.Available(), "free")
	if err := jobs.TryAcquire(2); errors.Is(err, shmsync.ErrLocked) {
		fmt.Println("not two more")
	}
	if err := jobs.Release(2); err != nil {
		log.Fatal(err)
	}
	fmt.Println(jobs.Available(), "free")
	// Output:
	// 1 free
	// not two more
	// 3 free
}
