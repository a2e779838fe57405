package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A frame is written and read where it lies in shared memory, without a copy.
func ExampleSPSC_Reserve() {
	type frame struct {
		Width, Height int32
		Pixels        [1 << 16]byte
	}
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	frames, err := queue.NewSPSC[frame](seg, "frames", 4, queue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	go func() { // would be another process
		for i := range int32(3) {
			r, err := frames.Reserve(ctx)
			if err != nil {
				log.Fatal(err)
			}
			r.Value.Width, r.Value.Height = 100*i, 50*i
			if err := r.Commit(); err != nil {
				log.Fatal(err)
			}
		}
		frames.Close()
	}()
	for {
		p, err := frames.Peek(ctx)
		if errors.Is(err, queue.ErrClosed) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(p.Value.Width, p.Value.Height)
		if err := p.Release(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 0 0
	// 100 50
	// 200 100
}
