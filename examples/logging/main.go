// Logging lets all workers of a pool log into one file, through shared memory. No line is torn, and
// a line that was logged before its worker was killed is in the file.
//
//	go run ./examples/logging log.jsonl
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/shmkit/shmkit/pool"
)

// Halve halves a number and logs the result. In a worker slog.Default is the logger of the pool,
// too.
var Halve = pool.Define("halve", func(ctx context.Context, n int64) (int64, error) {
	logger := pool.Logger(ctx).With("number", n)
	if n%2 != 0 {
		logger.Warn("odd")
	}
	logger.Info("halved", "result", n/2)
	return n / 2, nil
})

func main() {
	log.SetFlags(0)
	pool.Main() // in a worker it runs the tasks and never returns
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: logging FILE") }
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
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	handler := slog.NewJSONHandler(file, nil)
	pool.LogTo(handler) // the pool logs its own events there, too

	p, err := pool.New(ctx, pool.Options{Workers: 3, Log: handler})
	if err != nil {
		return err
	}
	defer p.Close()
	numbers := make([]int64, 200)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	if _, err := pool.Map(ctx, p, Halve, numbers); err != nil {
		return err
	}
	// Close writes all records that were logged before it.
	if err := errors.Join(p.Close(), file.Close()); err != nil {
		return err
	}
	fmt.Printf("%d tasks have logged; %d records were dropped\n", len(numbers), p.Stats().LogDropped)
	return nil
}
