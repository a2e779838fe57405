package process_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/shm"
)

// Deposit tells what it has done through a value in its argument.
var Deposit = pool.Define("deposit", func(ctx context.Context, balance *shm.Value[int64]) (struct{}, error) {
	return struct{}{}, balance.Update(ctx, func(n *int64) error { *n += 100; return nil })
})

func ExampleProcess() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Options{Size: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	balance, err := shm.NewValue(seg, "balance", int64(42))
	if err != nil {
		log.Fatal(err)
	}
	p, err := process.Start(ctx, Deposit, balance, process.Options{Name: "teller"})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Join(ctx); err != nil {
		log.Fatal(err)
	}
	code, _ := p.ExitCode()
	n, err := balance.Load()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Name(), "ended with", code, "and left", n)
	// Output: teller ended with 0 and left 142
}
