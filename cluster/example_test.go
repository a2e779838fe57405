package cluster_test

import (
	"context"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/pool"
)

// A program makes a pool whose tasks run on hosts. Here the host is the same process; elsewhere it
// is another machine, which is told the address.
func Example() {
	ctx := context.Background()
	c, err := cluster.New(ctx, cluster.Options{})
	if err != nil {
		panic(err)
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error)
	go func() {
		served <- cluster.Serve(serving, cluster.ServeOptions{Servers: []string{c.Addr()}, Name: "box", Pool: pool.Options{Workers: 1}})
	}()

	squares, err := pool.Map(ctx, c.Pool, square, []int64{1, 2, 3})
	fmt.Println(squares, err)
	for _, h := range c.Hosts() {
		fmt.Println(h.Name, h.Workers)
	}

	fmt.Println(c.Close())
	stop() // a SIGTERM does the same
	fmt.Println(<-served)
	// Output:
	// [1 4 9] <nil>
	// box 1
	// <nil>
	// <nil>
}

// Programs that use one queue share values by their names. Update runs its function again when
// another program was faster.
func ExampleValue() {
	ctx := context.Background()
	c, err := cluster.New(ctx, cluster.Options{})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	best, err := cluster.NewValue[int64](ctx, c, "best")
	if err != nil {
		panic(err)
	}
	for _, found := range []int64{3, 7, 5} {
		if _, err := best.Update(ctx, func(old int64) (int64, error) { return max(old, found), nil }); err != nil {
			panic(err)
		}
	}
	fmt.Println(best.Load(ctx))
	// Output: 7 <nil>
}

func ExampleCounter() {
	ctx := context.Background()
	c, err := cluster.New(ctx, cluster.Options{})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	files, err := cluster.NewCounter(ctx, c, "files")
	if err != nil {
		panic(err)
	}
	for range 3 {
		if _, err := files.Add(ctx, 2); err != nil {
			panic(err)
		}
	}
	fmt.Println(files.Load(ctx))
	// Output: 6 <nil>
}

// The token of a later hold is larger: what the lease protects refuses a smaller one than it has
// seen, since a holder that was stopped may not know that it has lost the lease.
func ExampleLease() {
	ctx := context.Background()
	c, err := cluster.New(ctx, cluster.Options{})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	lease, err := cluster.NewLease(ctx, c, "writer", time.Minute)
	if err != nil {
		panic(err)
	}
	first, err := lease.Acquire(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(first.Release(ctx))
	second, err := lease.Acquire(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(second.Token() > first.Token())
	fmt.Println(second.Release(ctx))
	// Output:
	// <nil>
	// true
	// <nil>
}
