//go:build linux

package bench

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// The workers of the pools run this binary, too, and know these tasks by their names.
var (
	square = pool.Define("square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })

	squareWord = pool.Define("square int", func(_ context.Context, n int) (int, error) { return n * n, nil })
	squareLast = pool.Define("square last", func(_ context.Context, n []int64) (int64, error) { return n[3] * n[3], nil })

	sumWords   = pool.Define("sum int", func(_ context.Context, n []int) (int, error) { return sumOf(n), nil })
	sumNumbers = pool.Define("sum int64", func(_ context.Context, n []int64) (int64, error) { return sumOf(n), nil })

	// ends returns the number of a message.
	ends = pool.Define("ends", func(_ context.Context, message []byte) (int64, error) {
		number, err := readBytes(message, len(message))
		return int64(number), err
	})

	// whereabouts returns the process id, after a pause in which other workers take tasks.
	whereabouts = pool.Define("whereabouts", func(context.Context, int64) (int64, error) {
		time.Sleep(5 * time.Millisecond)
		return int64(os.Getpid()), nil
	})

	// census returns the number of the worker's allocations, after a pause in which other workers
	// take tasks.
	census = pool.Define("census", func(context.Context, int64) (workerMallocs, error) {
		time.Sleep(time.Millisecond)
		return workerMallocs{PID: int64(os.Getpid()), Mallocs: mallocs()}, nil
	})
)

func sumOf[T int | int64](numbers []T) (sum T) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}

// workerMallocs is the number of allocations that a worker has made so far.
type workerMallocs struct {
	PID     int64
	Mallocs uint64
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
