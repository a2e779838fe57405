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

// Three workers compute in phases, each of which needs the results of all of the one before.
func ExampleBarrier() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	const workers = 3
	cells, err := shm.NewRawArray[int64](seg, "cells", workers)
	if err != nil {
		log.Fatal(err)
	}
	worker := func(own int) {
		barrier, err := shmsync.NewBarrier(seg, "phase", workers, shmsync.BarrierOptions{
			Action: func() error { fmt.Println(cells.Slice()); return nil }, // once in each phase
		})
		if err != nil {
			log.Fatal(err)
		}
		a := cells.Slice()
		for phase := range 4 {
			if phase == 0 {
				a[own] = int64(own) + 1
			} else {
				left := a[(own+workers-1)%workers]
				if _, err := barrier.Wait(context.Background()); err != nil { // all have read
					log.Fatal(err)
				}
				a[own] = left
			}
			if _, err := barrier.Wait(context.Background()); err != nil { // all have written
				log.Fatal(err)
			}
		}
	}
	var all sync.WaitGroup
	for own := range workers {
		all.Go(func() { worker(own) })
	}
	all.Wait()
	// Output:
	// [1 2 3]
	// [1 2 3]
	// [3 1 2]
	// [3 1 2]
	// [2 3 1]
	// [2 3 1]
	// [1 2 3]
}

// When a party dies, the others are told which one it was. A Reset makes the barrier whole for the
// parties that are left.
func ExampleBarrier_Reset() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	other, err := shm.FromFile(seg.File()) // stands for another process
	if err != nil {
		log.Fatal(err)
	}
	barrier, err := shmsync.NewBarrier(seg, "start", 2, shmsync.BarrierOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := shmsync.OpenBarrier(other, "start", shmsync.BarrierOptions{}); err != nil {
		log.Fatal(err)
	}
	if err := other.Close(); err != nil { // or dies
		log.Fatal(err)
	}

	_, err = barrier.Wait(context.Background())
	var broken *shmsync.BrokenError
	if errors.As(err, &broken) {
		fmt.Println("broken by a death:", broken.Cause == shmsync.BrokenByDeath)
	}
	barrier.Reset()
	fmt.Println("broken:", barrier.Broken())
	// Output:
	// broken by a death: true
	// broken: false
}
