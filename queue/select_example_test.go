package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A consumer of two queues: it takes what either has, until both are closed.
func Example_select() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	orders, err := queue.NewQueue[int64](seg, "orders", 16, queue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	returns, err := queue.NewQueue[int64](seg, "returns", 16, queue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	go func() { // usually in another process
		for i := range int64(3) {
			orders.Put(context.Background(), 100+i)
		}
		returns.Put(context.Background(), -100)
		orders.Close()
		returns.Close()
	}()

	queues := []*queue.Queue[int64]{orders, returns}
	sel := shmsync.NewSelect(orders.Gets(), returns.Gets())
	defer sel.Close()
	sum := int64(0)
	for open := len(queues); open > 0; {
		i, err := sel.Wait(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		switch v, err := queues[i].TryGet(); {
		case errors.Is(err, queue.ErrEmpty): // another consumer was faster
		case errors.Is(err, queue.ErrClosed):
			sel.Set(i, shmsync.Source{}) // it would be ready for ever
			open--
		case err != nil:
			log.Fatal(err)
		default:
			sum += v
		}
	}
	fmt.Println(sum)
	// Output: 203
}
