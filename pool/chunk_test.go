package pool_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// A48: chunk sizes, also those that are bigger than the input, and imap 1000 with chunk 100.
func TestChunks(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		for _, chunk := range []int{1, 7, 100, 1000, 1 << 30} {
			task := square.With(pool.TaskOptions{Chunk: chunk})
			for _, n := range []int{1, 7, 8, 1000} {
				got, err := pool.Map(t.Context(), p, task, slices.Collect(numbers(n)))
				if err != nil || len(got) != n || got[n-1] != int64((n-1)*(n-1)) {
					t.Errorf("chunk %d of %d: %d results, %v", chunk, n, len(got), err)
				}
				at := int64(0)
				for s, err := range pool.IMap(t.Context(), p, task, numbers(n)) {
					wantSquare(t, at)(s, err)
					at++
				}
				if at != int64(n) {
					t.Errorf("chunk %d of %d: %d results", chunk, n, at)
				}
			}
		}
		wantNothingLeft(t, p)
	})
}

// Whole chunks travel together: so many tasks are seen by the pool.
func TestChunksAreCounted(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		task := square.With(pool.TaskOptions{Chunk: 100})
		if _, err := pool.Map(t.Context(), p, task, slices.Collect(numbers(1000))); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.Total.Samples != 10 || s.Workers[0].Tasks != 1000 {
			t.Errorf("%d chunks, %d tasks", s.Total.Samples, s.Workers[0].Tasks)
		}
	})
}

func TestNegativeChunk(t *testing.T) {
	for _, o := range []pool.TaskOptions{{Chunk: -1}, {SoftDeadline: -1}, {HardDeadline: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", o)
				}
			}()
			square.With(o)
		}()
	}
}

// Arguments and results of a chunk that need blocks: more than one chunk of 64 KiB.
func TestChunksOfLargeArguments(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		args := make([][]byte, 50)
		for i := range args {
			args[i] = []byte(fmt.Sprint(i, string(make([]byte, 5000*(i%3)))))
		}
		got, err := pool.Map(t.Context(), p, echoBytes.With(pool.TaskOptions{Chunk: 1000}), args)
		if err != nil || !slices.EqualFunc(args, got, slices.Equal) {
			t.Errorf("%d results, %v", len(got), err)
		}
		wantNothingLeft(t, p)
	})
}

// When a worker dies, those of its chunk run again one by one; only the one that kills it fails,
// after as many attempts as it has.
func TestDeathInAChunk(t *testing.T) {
	for attempts := 1; attempts <= 3; attempts++ {
		p := newPool(t, pool.Options{Workers: 2, Attempts: attempts})
		a := newTally(t, 21)
		args := make([]counted, 21)
		for i := range args {
			args[i] = counted{Tally: a, At: i}
		}
		args[10].How = "kill"
		at := 0
		for n, err := range pool.IMap(t.Context(), p, tell.With(pool.TaskOptions{Chunk: 7}), slices.Values(args)) {
			var died *pool.WorkerDiedError
			if at == 10 && (!errors.As(err, &died) || died.Attempts != attempts) || at != 10 && (err != nil || n != at) {
				t.Errorf("attempts %d, result %d: %d, %v", attempts, at, n, err)
			}
			at++
		}
		if n := times(a, 10); n != int64(attempts) || at != len(args) {
			t.Errorf("the one that kills has run %d times of %d; %d results", n, attempts, at)
		}
		if s := p.Stats(); s.Killed != attempts {
			t.Errorf("%d workers died, not %d", s.Killed, attempts)
		}
		wantNothingLeft(t, p)
	}
}

// The automatic size: quick tasks travel together, and slow ones do not wait for each other.
func TestAutomaticChunks(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		if _, err := pool.Map(t.Context(), p, square, slices.Collect(numbers(20000))); err != nil {
			t.Fatal(err)
		}
		if n := p.Stats().Total.Samples; n > 5000 {
			t.Errorf("%d chunks for 20000 quick tasks", n)
		}
		quick := p.Stats().Total.Samples
		naps := slices.Repeat([]time.Duration{20 * time.Millisecond}, 10)
		if _, err := pool.Map(t.Context(), p, nap, naps); err != nil {
			t.Fatal(err)
		}
		if n := p.Stats().Total.Samples - quick; n < 2 {
			t.Errorf("%d chunk for 10 slow tasks", n)
		}
	})
}
