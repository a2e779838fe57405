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

// Runners wait for the start signal. Here they are goroutines; with a named segment, as from
// shm.OpenOrCreate, they could be any processes.
func ExampleEvent() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	start, err := shmsync.NewEvent(seg, "start", shmsync.EventOptions{})
	if err != nil {
		log.Fatal(err)
	}
	started, err := shm.NewInt64(seg, "started", 0)
	if err != nil {
		log.Fatal(err)
	}

	var runners sync.WaitGroup
	for range 4 {
		runners.Go(func() {
			if err := start.Wait(context.Background()); err != nil {
				log.Fatal(err)
			}
			started.Add(1)
		})
	}
	fmt.Println("before the signal:", started.Load(), "have started")
	start.Set()
	runners.Wait()
	fmt.Println("after it:", started.Load(), "have started")
	// Output:
	// before the signal: 0 have started
	// after it: 4 have started
}
