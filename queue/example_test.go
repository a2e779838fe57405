package queue_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// An Order is a message: it has a fixed size and no pointers.
type Order struct {
	ID    uint64
	Price float64
	Name  [16]byte
}

// The producer and the consumer are goroutines here. As processes they would each open the segment
// by its name.
func ExampleQueue() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	orders, err := queue.NewQueue[Order](seg, "orders", 64, queue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for i := range uint64(3) {
			if err := orders.Put(ctx, Order{ID: i, Price: 9.5 * float64(i)}); err != nil {
				log.Print(err)
			}
		}
		if err := orders.Close(); err != nil { // for everyone; what is in it is still delivered
			log.Print(err)
		}
	}()
	for o, err := range orders.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(o.ID, o.Price)
	}
	// Output:
	// 0 0
	// 1 9.5
	// 2 19
}

func ExampleQueue_TryPut() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	q, err := queue.NewQueue[int64](seg, "numbers", 2, queue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for i := range int64(3) {
		fmt.Println(q.TryPut(i))
	}
	v, err := q.TryGet()
	fmt.Println(v, err, q.Len())
	// Output:
	// <nil>
	// <nil>
	// queue: the queue is full
	// 0 <nil> 1
}
