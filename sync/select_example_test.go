//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A Select beside channels: a goroutine waits and sends the index. An index that is lost loses no
// message.
func ExampleSelect() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	stop, err := shmsync.NewEvent(seg, "stop", shmsync.EventOptions{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	ready := make(chan int)
	go func() {
		defer close(ready)
		sel := shmsync.NewSelect(stop.Sets())
		defer sel.Close()
		for {
			i, err := sel.Wait(ctx)
			if err != nil {
				return
			}
			select {
			case ready <- i:
			case <-ctx.Done():
				return
			}
		}
	}()

	stop.Set() // usually by another process
	select {
	case i := <-ready:
		fmt.Println("source", i)
	case <-time.After(time.Hour):
		fmt.Println("no source for an hour")
	}
	// Output: source 0
}
