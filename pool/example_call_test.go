package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"os"
	"slices"
	"time"

	"github.com/shmkit/shmkit/pool"
)

func ExampleApply() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	cube, err := pool.Apply(ctx, p, Cube, 3)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cube)
	// Output: 27
}

func ExampleApplyAsync() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	future, err := pool.ApplyAsync(ctx, p, Cube, 5)
	if err != nil {
		log.Fatal(err)
	}
	future.OnResult(func(n int64) { fmt.Println("the callback sees", n) }) // there is OnError, too

	cube, err := future.Get(ctx) // other things can be done before
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Close(); err != nil { // waits for callbacks
		log.Fatal(err)
	}
	fmt.Println("the future was", cube)
	// Output:
	// the callback sees 125
	// the future was 125
}

func ExampleMapAsync() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	future := pool.MapAsync(ctx, p, Cube, []int64{1, 2, 3})
	<-future.Done() // as a case of a select, perhaps
	cubes, err := future.Get(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cubes)
	// Output: [1 8 27]
}

// A pool of goroutines runs the same tasks. Tests and debuggers like it.
func ExampleNewLocal() {
	ctx := context.Background()
	p, err := pool.NewLocal(ctx, pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	cubes, err := pool.Map(ctx, p, Cube, []int64{1, 2, 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cubes)
	// Output: [1 8 27]
}

func ExamplePool_Resize() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	if err := p.Resize(3); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Map(ctx, p, Cube, slices.Repeat([]int64{2}, 100)); err != nil {
		log.Fatal(err)
	}
	s, done := p.Stats(), uint64(0)
	for _, w := range s.Workers {
		done += w.Tasks
	}
	fmt.Println(len(s.Workers), "workers have done", done, "tasks;", s.Pending, "are pending")
	// Output: 3 workers have done 100 tasks; 0 are pending
}

// ErrNotFound is an error of the program.
var ErrNotFound = errors.New("not found")

func init() { pool.RegisterError("example.ErrNotFound", ErrNotFound) }

var Find = pool.Define("find", func(_ context.Context, name string) (int64, error) {
	return 0, fmt.Errorf("look for %q: %w", name, ErrNotFound)
})

func ExampleRegisterError() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	_, err = pool.Apply(ctx, p, Find, "nobody")
	fmt.Println(err)
	fmt.Println(errors.Is(err, ErrNotFound)) // although it happened in another process
	// Output:
	// look for "nobody": not found
	// true
}

// Flaky fails twice.
var Flaky = pool.Define("flaky", func(_ context.Context, counter string) (int64, error) {
	f, err := os.OpenFile(counter, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < 3 {
		err = errors.New("not yet")
	}
	return info.Size(), err
})

// Stuck does not look at its context.
var Stuck = pool.Define("stuck", func(context.Context, struct{}) (int64, error) { select {} })

func ExampleTask_With() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	patient := Flaky.With(pool.TaskOptions{
		SoftDeadline: time.Minute, // then the task's context ends
		Retry:        func(attempt int, _ error) (bool, time.Duration) { return attempt < 5, time.Millisecond },
	})
	file, err := os.CreateTemp("", "attempts")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	attempts, err := pool.Apply(ctx, p, patient, file.Name())
	fmt.Println("attempts:", attempts, err)

	//clock: the time-out is the subject
	_, err = pool.Apply(ctx, p, Stuck.With(pool.TaskOptions{HardDeadline: 50 * time.Millisecond}), struct{}{})
	fmt.Println(err)
	// Output:
	// attempts: 3 <nil>
	// pool: task "stuck" ran for longer than 50ms: its worker was killed
}

// sweepUp neither takes nor returns anything: its types are struct{}.
var sweepUp = pool.Define("sweep up", func(context.Context, struct{}) (struct{}, error) {
	return struct{}{}, nil
})

// A task without argument and result.
func ExampleDefine_nothing() {
	p, err := pool.New(context.Background(), pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	_, err = pool.Apply(context.Background(), p, sweepUp, struct{}{})
	fmt.Println(err)
	// Output: <nil>
}

// Approach yields better and better approximations of the square root of a number, without an end.
var Approach = pool.DefineStream("approach", func(_ context.Context, n float64) iter.Seq2[float64, error] {
	return func(yield func(float64, error) bool) {
		x := n
		for more := true; more; more = yield(x, nil) {
			x = (x + n/x) / 2
		}
	}
})

func ExampleStream() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	for step, err := range pool.Stream(ctx, p, Approach, 2) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.6f\n", step)
		if step*step-2 < 1e-6 {
			break // which ends the task
		}
	}
	// Output:
	// 1.500000
	// 1.416667
	// 1.414216
	// 1.414214
}
