package queue_test

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// An engine sends each step to all of its workers, and waits for the slowest of those that live.
func ExampleBroadcast() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seg.Close()
	ctx := context.Background()
	steps, err := queue.NewBroadcast[int64](seg, "steps", 64, queue.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	worker, err := steps.Subscribe(queue.FromNewest) // in any process
	if err != nil {
		fmt.Println(err)
		return
	}
	defer worker.Close() // no put waits for it any longer
	if err := steps.AwaitReaders(ctx, 1); err != nil {
		fmt.Println(err)
		return
	}
	for step := range int64(3) {
		if err := steps.Put(ctx, step); err != nil {
			fmt.Println(err)
		}
	}
	steps.Close()
	for step, err := range worker.All(ctx) {
		fmt.Println("step", step, err)
	}
	// Output:
	// step 0 <nil>
	// step 1 <nil>
	// step 2 <nil>
}

// A message is written once, where all readers look at it: none makes a copy.
func ExampleBroadcastBytes() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seg.Close()
	ctx := context.Background()
	frames, err := queue.NewBroadcastBytes(seg, "frames", 1<<16, queue.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	reader, err := frames.Subscribe(queue.FromNewest) // in any process
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reader.Close()
	frame, err := frames.Reserve(ctx, 5)
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(frame.Value, "pixel")
	if err := frame.Commit(); err != nil {
		fmt.Println(err)
	}
	look, err := reader.Peek(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", look.Value)
	if err := look.Release(); err != nil { // after an expulsion what was read is not the message
		fmt.Println(err)
	}
	// Output: pixel
}
