package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// yieldsAll is a task that yields the elements of its argument.
func yieldsAll[R any](name string) *pool.StreamTask[[]R, R] {
	return pool.DefineStream(name, func(_ context.Context, all []R) iter.Seq2[R, error] {
		return func(yield func(R, error) bool) {
			for _, r := range all {
				if !yield(r, nil) {
					return
				}
			}
		}
	})
}

// A streamed is a value of a stream that goes through CBOR.
type streamed struct {
	Name  string
	Parts map[string][]int
	Next  *streamed
}

var (
	streamInts    = yieldsAll[int]("stream ints")
	streamFlags   = yieldsAll[bool]("stream flags")
	streamNothing = yieldsAll[struct{}]("stream nothing")
	streamTexts   = yieldsAll[string]("stream texts")
	streamFloats  = yieldsAll[[]float64]("stream slices")
	streamStructs = yieldsAll[streamed]("stream structs")
)

// wantStreamed streams the values and wants the same.
func wantStreamed[R any](t *testing.T, p *pool.Pool, task *pool.StreamTask[[]R, R], all ...R) {
	t.Helper()
	var got []R
	for r, err := range pool.Stream(t.Context(), p, task, all) {
		if err != nil {
			t.Fatalf("%s: after %d values: %v", task.Name(), len(got), err)
		}
		got = append(got, r)
	}
	if len(got) != len(all) || len(all) > 0 && !reflect.DeepEqual(got, all) {
		t.Errorf("%s: %d values of %d, or others", task.Name(), len(got), len(all))
	}
}

// manyOf is n values, each of which make makes.
func manyOf[R any](n int, make func(i int) R) (all []R) {
	for i := range n {
		all = append(all, make(i))
	}
	return all
}

// Values of each way of travelling arrive, equal and in order: none, one, more than fit into the
// ring at once, and some that are larger than the ring.
func TestStreamValues(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Memory: 64 << 20})
		wantStreamed[int](t, p, streamInts)
		wantStreamed(t, p, streamInts, -1)
		wantStreamed(t, p, streamInts, manyOf(50_000, func(i int) int { return i })...)
		wantStreamed(t, p, streamFlags, manyOf(1000, func(i int) bool { return i%3 == 0 })...)
		wantStreamed(t, p, streamNothing, make([]struct{}, 20_000)...)
		wantStreamed(t, p, streamTexts, manyOf(3000, func(i int) string { return strings.Repeat("x", i) })...)
		wantStreamed(t, p, streamTexts, "", strings.Repeat("large", 1<<20), "", strings.Repeat("larger", 1<<20))
		wantStreamed(t, p, streamFloats, manyOf(200, func(i int) []float64 { return make([]float64, 1+97*i) })...)
		wantStreamed(t, p, streamStructs, streamed{}, streamed{Name: "a", Parts: map[string][]int{"b": {1, 2}}, Next: &streamed{Name: "c"}})
		wantNothingLeft(t, p)
	})
}

// A paced is the argument of a task that yields N values of Bytes each, and adds 1 to element 0 of
// Tally for each value that it is about to yield, to element 1 when its yield reports false, and to
// element 2 when it has begun.
type paced struct {
	Tally tally
	N     int
	Bytes int
	How   string // what it does after the values
}

var pace = pool.DefineStream("pace", func(ctx context.Context, a paced) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		seen := a.Tally.Slice()
		atomic.AddInt64(&seen[2], 1)
		for i := range a.N {
			atomic.AddInt64(&seen[0], 1)
			if !yield(bytes.Repeat([]byte{byte(i)}, a.Bytes), nil) {
				atomic.AddInt64(&seen[1], 1)
				return
			}
		}
		if err := afterValues(ctx, a.How, seen); err != nil {
			yield(nil, err)
		}
	}
})

// The task is ahead of a slow loop by a bounded number of values, whatever their number.
func TestStreamBackPressure(t *testing.T) {
	const size, most = 8 << 10, 2*64/8 + 2
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		seen, got := newTally(t, 3), int64(0)
		for b, err := range pool.Stream(t.Context(), p, pace, paced{seen, 300, size, ""}) {
			if err != nil || len(b) != size || b[0] != byte(got) {
				t.Fatalf("value %d: %d bytes, %v", got, len(b), err)
			}
			got++
			if got%50 == 1 { // the task has time to run ahead
				want := min(got+most-2, 300)
				proctest.Eventually(t, proctest.Hang, func() bool { return times(seen, 0) >= want-size/1024-2 }, "the task runs ahead")
			}
			wantSquare(t, got)(pool.Apply(t.Context(), p, square, got)) // another worker is free
			if ahead := times(seen, 0) - got; ahead > most {
				t.Fatalf("it is %d values ahead", ahead)
			}
		}
		if got != 300 {
			t.Errorf("%d values", got)
		}
		wantNothingLeft(t, p)
	})
}

// Leaving the loop ends the task: its yield reports false, in the middle of the values or while it
// waits for room.
func TestStreamLeft(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		for _, size := range []int{8, 40 << 10} {
			seen := newTally(t, 3)
			for _, err := range pool.Stream(t.Context(), p, pace, paced{seen, 1 << 30, size, ""}) {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			proctest.Eventually(t, proctest.Hang, func() bool { return times(seen, 1) == 1 }, "yield reports false")
			wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
			wantNothingLeft(t, p)
		}
	})
}

// The end of the caller's context ends the task at once, also while the body of the loop runs, and
// ends the loop with its cause.
func TestStreamContextEnds(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		for _, why := range []error{errors.New("enough"), io.EOF} {
			testStreamContextEnds(t, p, why)
		}
	})
}

func testStreamContextEnds(t *testing.T, p *pool.Pool, why error) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	seen, got := newTally(t, 4), 0
	for _, err := range pool.Stream(ctx, p, pace, paced{seen, 1, 8, "wait"}) {
		if got++; got == 1 && err == nil {
			cancel(why)
			proctest.Eventually(t, proctest.Hang, func() bool { return times(seen, 3) == 1 }, "the task's context has ended")
		} else if got != 2 || !errors.Is(err, why) {
			t.Fatalf("value %d: %v", got, err)
		}
	}
	if got != 2 {
		t.Errorf("%d values and errors", got)
	}
	wantNothingLeft(t, p)
}

// The loop ends with its context while it waits for a value, and so does one with a task that waits
// for a worker, which then never begins it.
func TestStreamContextEndsWaiting(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		first, waiting := newTally(t, 4), newTally(t, 4)
		var last error
		for _, err := range pool.Stream(ctx, p, pace, paced{first, 1, 8, "wait"}) {
			if last = err; err != nil {
				break
			}
			second, drop := context.WithCancel(t.Context())
			dropped := make(chan error)
			go func() {
				_, err := paceAll(second, p, pace, paced{waiting, 1, 8, ""})
				dropped <- err
			}()
			proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Queued == 1 }, "the second one waits")
			drop()
			if err := proctest.Ends(t, dropped, "the second one"); !errors.Is(err, context.Canceled) {
				t.Errorf("the second one: %v", err)
			}
			go cancel()
		}
		if !errors.Is(last, context.Canceled) || !strings.Contains(last.Error(), `"pace"`) {
			t.Errorf("%v", last)
		}
		wantNothingLeft(t, p)
		if times(waiting, 2) != 0 {
			t.Error("the second one has begun")
		}
	})
}

// A stream under a context that has ended runs nothing.
func TestStreamEndedContext(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		n := 0
		for _, err := range pool.Stream(ctx, p, streamInts, []int{1}) {
			if n++; !errors.Is(err, context.Canceled) && !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Errorf("%d values and errors", n)
		}
	})
}

// Many streams at once, with few workers and little memory: each waits for room, and all arrive.
func TestStreamMany(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 3, Memory: 64 << 10})
		var streams sync.WaitGroup
		for i := range 40 {
			streams.Go(func() {
				n := i
				for v, err := range pool.Stream(t.Context(), p, streamInts, manyOf(1000, func(k int) int { return i + k })) {
					if err != nil || v != n {
						t.Errorf("stream %d: %d, not %d: %v", i, v, n, err)
						return
					}
					n++
				}
				if n != i+1000 {
					t.Errorf("stream %d: %d values", i, n-i)
				}
			})
		}
		streams.Wait()
		wantNothingLeft(t, p)
	})
}

// The body of the loop may stream from the same pool, and so may a task.
func TestStreamNested(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		sum := 0
		for n, err := range pool.Stream(t.Context(), p, streamInts, []int{10, 20, 30}) {
			if err != nil {
				t.Fatal(err)
			}
			for m, err := range pool.Stream(t.Context(), p, streamInts, manyOf(n, func(i int) int { return i })) {
				if err != nil {
					t.Fatal(err)
				}
				sum += m
			}
		}
		if sum != 45+190+435 {
			t.Errorf("sum %d", sum)
		}
	})
	p := newLocal(t, pool.Options{Workers: 2})
	outerPool.Store(p)
	defer outerPool.Store(nil)
	n := 0
	for v, err := range pool.Stream(t.Context(), p, relayed, 5000) {
		if err != nil || v != 2*n {
			t.Fatalf("%d, not %d: %v", v, 2*n, err)
		}
		n++
	}
	if n != 5000 {
		t.Errorf("%d values", n)
	}
}

// outerPool is the pool that the task relayed streams from.
var outerPool atomic.Pointer[pool.Pool]

// relayed doubles the values of another stream of the same pool.
var relayed = pool.DefineStream("relayed", func(ctx context.Context, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for v, err := range pool.Stream(ctx, outerPool.Load(), streamInts, manyOf(n, func(i int) int { return i })) {
			if !yield(2*v, err) {
				return
			}
		}
	}
})

// A pool of tasks that run elsewhere says that it has no streams, and so does one that is given the
// task of another pool's stream.
func TestStreamElsewhere(t *testing.T) {
	n := 0
	for _, err := range pool.Stream(t.Context(), newBridged(t, pool.Options{Workers: 1}), streamInts, []int{1}) {
		if n++; !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "stream ints") {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d values and errors", n)
	}
	call := engine.Call{ID: 1, Task: streamInts.Name(), Count: 1, Arg: make([]byte, 100_000)}
	if err := engine.Run(t.Context(), newPool(t, pool.Options{Workers: 1}), call, func(engine.Result) {}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// DefineStream panics for what Define panics for.
func TestDefineStreamRefuses(t *testing.T) {
	for what, define := range map[string]func(){
		"argument": func() {
			pool.DefineStream("refused 1", func(context.Context, func()) iter.Seq2[int, error] { return nil })
		},
		"value": func() {
			pool.DefineStream("refused 2", func(context.Context, int) iter.Seq2[chan int, error] { return nil })
		},
		"square": func() {
			pool.DefineStream("square", func(context.Context, int) iter.Seq2[int, error] { return nil })
		},
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), what) {
					t.Errorf("%s: %v", what, p)
				}
			}()
			define()
		}()
	}
}
