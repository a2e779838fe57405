package queue_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A slow reader is told what it has missed, and a reader that wants only the latest value asks for
// that.
func ExampleBroadcast_dropOldest() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seg.Close()
	prices, err := queue.NewBroadcast[float64](seg, "prices", 4, queue.Options{WhenFull: queue.DropOldest})
	if err != nil {
		fmt.Println(err)
		return
	}
	reader, err := prices.Subscribe(queue.FromNewest) // in any process
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, price := range []float64{1, 2, 3, 4, 5, 6} {
		if err := prices.Put(context.Background(), price); err != nil {
			fmt.Println(err)
		}
	}
	prices.Close()
	for price, err := range reader.All(context.Background()) {
		if lapped := new(queue.LappedError); errors.As(err, &lapped) {
			fmt.Println("lost", lapped.Lost)
			continue
		}
		fmt.Println(price)
	}
	latest, err := prices.Latest()
	fmt.Println("latest", latest, err)
	// Output:
	// lost 3
	// 4
	// 5
	// 6
	// latest 6 <nil>
}
