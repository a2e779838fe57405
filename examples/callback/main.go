// Callback writes the results of many tasks to one file. A callback writes each result as soon as
// it arrives, while the program goes on. Callbacks run one after the other, so the file needs no
// lock.
//
//	go run ./examples/callback primes.csv
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/shmkit/shmkit/pool"
)

// A factored is a number and its smallest prime factor.
type factored struct{ Number, Factor int64 }

// Factor finds the smallest prime factor of a number.
var Factor = pool.Define("factor", func(_ context.Context, n int64) (factored, error) {
	if n < 2 {
		return factored{}, fmt.Errorf("%d has no prime factor", n)
	}
	for f := int64(2); f*f <= n; f++ {
		if n%f == 0 {
			return factored{n, f}, nil
		}
	}
	return factored{n, n}, nil
})

func main() {
	log.SetFlags(0)
	pool.Main() // in a worker it runs the tasks and never returns
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: callback FILE") }
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background(), flag.Arg(0)); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	p, err := pool.New(ctx, pool.Options{})
	if err != nil {
		return err
	}
	defer p.Close()

	lines, failed := 0, 0
	out := bufio.NewWriter(file)
	for n := range int64(1000) {
		result, err := pool.ApplyAsync(ctx, p, Factor, n)
		if err != nil {
			return err
		}
		result.OnResult(func(r factored) {
			fmt.Fprintf(out, "%d,%d\n", r.Number, r.Factor)
			lines++
		})
		result.OnError(func(error) { failed++ })
	}
	// Close waits for the tasks and for the callbacks. After it no other goroutine uses the file.
	if err := errors.Join(p.Close(), out.Flush(), file.Close()); err != nil {
		return err
	}
	fmt.Printf("%d lines, %d numbers without a factor\n", lines, failed)
	return nil
}
