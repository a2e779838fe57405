package pooltest

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var calls = []behaviour{
	{name: "ApplyReturnsResult", check: applyReturnsResult},
	{name: "ApplyByManyCallers", check: applyByManyCallers},
	{name: "ApplyAsyncHasResultOfEach", check: applyAsync},
	{name: "CallbacksGetResultOrError", check: callbacks},
	{name: "AsCompletedYieldsInOrderOfEnd", check: asCompleted},
	{name: "FutureTellsWhichWorkerHasBegun", check: began},
	{name: "MapIsInOrder", check: mapIsInOrder},
	{name: "MapAsyncDoesNotWait", check: mapAsync},
	{name: "ChunksOfAnySize", check: chunks},
	{name: "LargeArgumentsAndResults", check: large},
	{name: "EmptyIsNotNil", check: emptyIsNotNil},
	{name: "TooLargeArgumentIsRefused", options: Options{Memory: 1 << 20}, check: tooLarge},
	{name: "FullBacklogMakesCallersWait", options: Options{Backlog: 16}, check: backlog},
}

func applyReturnsResult(t *testing.T, _ *Kind, p *pool.Pool) {
	for i := range int64(50) {
		wantSquare(t, i)(pool.Apply(t.Context(), p, square, i))
	}
	wantIdle(t, p)
}

func applyByManyCallers(t *testing.T, _ *Kind, p *pool.Pool) {
	var all sync.WaitGroup
	for g := range int64(20) {
		all.Go(func() {
			for i := range int64(20) {
				wantSquare(t, g*100+i)(pool.Apply(t.Context(), p, square, g*100+i))
			}
		})
	}
	all.Wait()
	wantIdle(t, p)
}

func applyAsync(t *testing.T, _ *Kind, p *pool.Pool) {
	var all []*pool.Future[int64]
	for i := range int64(500) {
		f, err := pool.ApplyAsync(t.Context(), p, square, i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	for i, f := range slices.Backward(all) {
		wantSquare(t, int64(i))(f.Get(t.Context()))
		wantSquare(t, int64(i))(f.Get(t.Context())) // any number of times
		if !f.Ready() {
			t.Errorf("future %d is not ready", i)
		}
	}
	wantIdle(t, p)
}

func emptyIsNotNil(t *testing.T, _ *Kind, p *pool.Pool) {
	wantSame(t, p, sameBytes, []byte{}, nil, []byte{0}, nil, []byte{}, bytes.Repeat([]byte{1}, 100_000))
	wantSame(t, p, sameWords, nil, []int64{}, []int64{0}, []int64{}, nil, make([]int64, 20_000))
	wantSame(t, p, sameTexts, nil, []string{}, []string{""})
	wantIdle(t, p)
}

// wantSame sends values to a task that returns them, one by one and in chunks.
func wantSame[T any](t *testing.T, p *pool.Pool, same *pool.Task[T, T], all ...T) {
	t.Helper()
	for _, in := range all {
		if got, err := pool.Apply(t.Context(), p, same, in); err != nil || !reflect.DeepEqual(got, in) {
			t.Errorf("%.20v (nil: %v) arrives as %.20v (nil: %v), %v", in, reflect.ValueOf(in).IsNil(), got, reflect.ValueOf(got).IsNil(), err)
		}
	}
	for _, chunk := range []int{1, 2, 100} {
		got, err := pool.Map(t.Context(), p, same.With(pool.TaskOptions{Chunk: chunk}), all)
		if err != nil || !reflect.DeepEqual(got, all) {
			t.Errorf("by %d: other values arrive: %.200v, %v", chunk, got, err)
		}
	}
}

func callbacks(t *testing.T, _ *Kind, p *pool.Pool) {
	results, errs := make(chan int64, 100), make(chan error, 100)
	for i := range int64(100) {
		f, err := pool.ApplyAsync(t.Context(), p, odd, i)
		if err != nil {
			t.Fatal(err)
		}
		f.OnResult(func(n int64) { results <- n })
		f.OnError(func(err error) { errs <- err })
	}
	sum := int64(0)
	for range 50 {
		sum += proctest.Ends(t, results, "a result")
		var failed *pool.TaskError
		if err := proctest.Ends(t, errs, "an error"); !errors.As(err, &failed) || failed.Text != "even" {
			t.Errorf("the error is %v", err)
		}
	}
	if sum != 2500 {
		t.Errorf("the results add up to %d", sum)
	}
}

func asCompleted(t *testing.T, _ *Kind, p *pool.Pool) {
	gate := newGate(t)
	last, err := pool.ApplyAsync(t.Context(), p, do, job{N: -1, Gate: gate})
	if err != nil {
		t.Fatal(err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending-s.Queued == 1 }, "it runs")
	all := []*pool.Future[int64]{last}
	for i := range int64(2) {
		f, err := pool.ApplyAsync(t.Context(), p, square, i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	var got []int64
	for f, err := range pool.AsCompleted(t.Context(), all...) {
		if err != nil {
			t.Fatal(err)
		}
		n, err := f.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, n); len(got) == 2 {
			open(t, gate)
		}
	}
	if len(got) != 3 || got[2] != -1 {
		t.Errorf("the order is %v", got)
	}
}

func began(t *testing.T, _ *Kind, p *pool.Pool) {
	f, err := pool.ApplyAsync(t.Context(), p, square, 3)
	if err != nil {
		t.Fatal(err)
	}
	wantSquare(t, 3)(f.Get(t.Context()))
	if b, ok := f.Began(); !ok || b.Worker == "" || b.PID == 0 || b.At.IsZero() {
		t.Errorf("it was begun by %+v, %v", b, ok)
	}
}

func mapIsInOrder(t *testing.T, _ *Kind, p *pool.Pool) {
	for _, n := range []int{0, 1, 5000} {
		got, err := pool.Map(t.Context(), p, square, numbers(n))
		if err != nil || len(got) != n {
			t.Errorf("%d results of %d, %v", len(got), n, err)
		}
		for i, s := range got {
			wantSquare(t, int64(i))(s, nil)
		}
	}
	wantIdle(t, p)
}

func mapAsync(t *testing.T, _ *Kind, p *pool.Pool) {
	gate := newGate(t)
	f := pool.MapAsync(t.Context(), p, do, []job{{N: 1, Gate: gate}, {N: 2}, {N: 3}})
	if f.Ready() {
		t.Error("it is ready before its time")
	}
	open(t, gate)
	if got, err := f.Get(t.Context()); err != nil || !slices.Equal(got, []int64{1, 2, 3}) {
		t.Errorf("%v, %v", got, err)
	}
	wantIdle(t, p)
}

func chunks(t *testing.T, _ *Kind, p *pool.Pool) {
	for _, chunk := range []int{1, 7, 1000, 1 << 30} {
		task := square.With(pool.TaskOptions{Chunk: chunk})
		for _, n := range []int{1, 8, 300} {
			got, err := pool.Map(t.Context(), p, task, numbers(n))
			if err != nil || len(got) != n || got[n-1] != int64((n-1)*(n-1)) {
				t.Errorf("chunk %d of %d: %d results, %v", chunk, n, len(got), err)
			}
			at := int64(0)
			for s, err := range pool.IMap(t.Context(), p, task, slices.Values(numbers(n))) {
				wantSquare(t, at)(s, err)
				at++
			}
			if at != int64(n) {
				t.Errorf("chunk %d of %d: %d results", chunk, n, at)
			}
		}
	}
	wantIdle(t, p)
}

func large(t *testing.T, _ *Kind, p *pool.Pool) {
	var args [][]byte
	for _, size := range []int{0, 1, 100 << 10, 512 << 10, 3<<20 + 1} {
		args = append(args, bytes.Repeat([]byte{byte(size >> 10)}, size))
	}
	for _, arg := range args {
		got, err := pool.Apply(t.Context(), p, echo, arg)
		if err != nil || !slices.Equal(got, append(arg, 7)) {
			t.Errorf("%d bytes: %d bytes, %v", len(arg), len(got), err)
		}
	}
	got, err := pool.Map(t.Context(), p, echo.With(pool.TaskOptions{Chunk: 2}), args)
	if err != nil || len(got) != len(args) {
		t.Fatalf("%d results, %v", len(got), err)
	}
	for i, arg := range args {
		if !slices.Equal(got[i], append(arg, 7)) {
			t.Errorf("in a chunk, %d bytes: %d bytes", len(arg), len(got[i]))
		}
	}
	wantIdle(t, p)
}

func tooLarge(t *testing.T, _ *Kind, p *pool.Pool) {
	if _, err := pool.Apply(t.Context(), p, echo, make([]byte, 4<<20)); err == nil {
		t.Error("an argument larger than the memory is taken")
	}
	wantIdle(t, p)
}

func backlog(t *testing.T, _ *Kind, p *pool.Pool) {
	gate := newGate(t)
	var all []*pool.Future[int64]
	for range 16 {
		f, err := pool.ApplyAsync(t.Context(), p, do, job{Gate: gate})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	refused := proctest.MustBlock(t, func() {
		if _, err := pool.ApplyAsync(ctx, p, square, 1); !errors.Is(err, errKnown) {
			t.Errorf("with a full backlog: %v", err)
		}
	})
	cancel(errKnown)
	proctest.Ends(t, refused, "its caller gives up")
	open(t, gate)
	for _, f := range all {
		if _, err := f.Get(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wantIdle(t, p)
}
