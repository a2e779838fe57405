// Logging has all workers of a pool log into one file, through shared memory: no line is torn, and one that was logged before
// its worker was killed is there.
//
//	go run ./examples/logging log.jsonl
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// segmentEnv tells the workers where the log is.
const segmentEnv = "LOGGING_EXAMPLE_SEGMENT"

const logName = "log"

// Logger is each worker's own: opened once, and not for each task.
var Logger = pool.DefineResource("logger", func(context.Context, struct{}) (*slog.Logger, func() error, error) {
	seg, err := shm.Open(os.Getenv(segmentEnv))
	if err != nil {
		return nil, nil, err
	}
	h, err := pool.NewLogHandler(seg, logName, pool.LogOptions{})
	if err != nil {
		return nil, nil, errors.Join(err, seg.Close())
	}
	return slog.New(h), seg.Close, nil
})

// Halve logs what it does.
var Halve = pool.Define("halve", func(ctx context.Context, n int64) (int64, error) {
	logger := Logger.Get(ctx).With("number", n)
	if n%2 != 0 {
		logger.Warn("odd")
	}
	logger.Info("halved", "result", n/2)
	return n / 2, nil
})

func main() {
	log.SetFlags(0)
	pool.Main() // in a worker: runs it and never returns
	if len(os.Args) != 2 {
		log.Fatal("usage: logging FILE")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	dir, err := os.MkdirTemp("", "logging-example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	seg, err := shm.Create(filepath.Join(dir, "segment"), shm.Options{})
	if err != nil {
		return err
	}
	defer seg.Close()
	os.Setenv(segmentEnv, seg.Path())

	listener, err := pool.NewLogListener(seg, logName, slog.NewJSONHandler(file, nil))
	if err != nil {
		return err
	}
	defer listener.Close()
	own, err := pool.NewLogHandler(seg, logName, pool.LogOptions{})
	if err != nil {
		return err
	}
	pool.LogTo(own) // what happens in the pool goes there, too

	p, err := pool.New(ctx, pool.Options{Workers: 3, Resources: []pool.AnyResource{Logger}})
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
	if err := errors.Join(p.Close(), listener.Close(), file.Close()); err != nil { // the listener writes what was logged before
		return err
	}
	fmt.Printf("%d tasks have logged; %d records were dropped\n", len(numbers), listener.Dropped())
	return nil
}
