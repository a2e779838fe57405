package pool_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// eachIMap runs a test with IMap and IMapUnordered, through both forms of arguments.
func eachIMap(t *testing.T, test func(t *testing.T, newPool makePool, ordered bool, imap imapper)) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		t.Run("IMap", func(t *testing.T) { test(t, newPool, true, pool.IMap[int64, int64]) })
		t.Run("IMapUnordered", func(t *testing.T) { test(t, newPool, false, pool.IMapUnordered[int64, int64]) })
		t.Run("IMapSeq2", func(t *testing.T) { test(t, newPool, true, withErrors(pool.IMapErr[int64, int64])) })
		t.Run("IMapUnorderedSeq2", func(t *testing.T) { test(t, newPool, false, withErrors(pool.IMapUnorderedErr[int64, int64])) })
	})
}

type imapper func(context.Context, *pool.Pool, *pool.Task[int64, int64], iter.Seq[int64]) iter.Seq2[int64, error]

func withErrors(imap func(context.Context, *pool.Pool, *pool.Task[int64, int64], iter.Seq2[int64, error]) iter.Seq2[int64, error]) imapper {
	return func(ctx context.Context, p *pool.Pool, t *pool.Task[int64, int64], args iter.Seq[int64]) iter.Seq2[int64, error] {
		return imap(ctx, p, t, func(yield func(int64, error) bool) {
			for a := range args {
				if !yield(a, nil) {
					return
				}
			}
		})
	}
}

// Every result comes once, those of IMap in the order of the arguments.
func TestIMap(t *testing.T) {
	eachIMap(t, func(t *testing.T, newPool makePool, ordered bool, imap imapper) {
		p := newPool(pool.Options{Workers: 3})
		for _, n := range []int{0, 1, 1000} {
			var got []int64
			for s, err := range imap(t.Context(), p, square, numbers(n)) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, s)
			}
			if !ordered {
				slices.Sort(got)
			}
			for i, s := range got {
				if s != int64(i*i) {
					t.Fatalf("square of %d: %d", i, s)
				}
			}
			if len(got) != n {
				t.Errorf("%d results of %d", len(got), n)
			}
		}
	})
}

// Results of tasks of very different length still come in order, the quick ones at once without it.
func TestIMapOrder(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		idOf := func(b []byte, err error) uint64 {
			if err != nil {
				t.Fatal(err)
			}
			return binary.NativeEndian.Uint64(b)
		}
		ended, want := counter(t), uint64(0) // the first task ends after the three others
		for b, err := range pool.IMap(t.Context(), p, blobs, slices.Values([]blob{
			{ID: 0, Ended: ended, After: 3}, {ID: 1, Ended: ended}, {ID: 2, Ended: ended}, {ID: 3, Ended: ended},
		})) {
			if id := idOf(b, err); id != want {
				t.Errorf("result %d in place of %d", id, want)
			}
			want++
		}
		gate := counter(t) // the first task ends when the results of the three others are there
		var got []uint64
		for b, err := range pool.IMapUnordered(t.Context(), p, blobs, slices.Values([]blob{{ID: 0, Ended: gate, After: 1}, {ID: 1}, {ID: 2}, {ID: 3}})) {
			if got = append(got, idOf(b, err)); len(got) == 3 {
				gate.Add(1)
			}
		}
		if want != 4 || len(got) != 4 || got[3] != 0 {
			t.Errorf("%d in order; without: %v", want, got)
		}
	})
}

// Errors of tasks are in the place of their results, and the rest goes on.
func TestIMapErrorsInPlace(t *testing.T) {
	eachIMap(t, func(t *testing.T, newPool makePool, ordered bool, imap imapper) {
		p := newPool(pool.Options{Workers: 2})
		for _, chunk := range []int{0, 7} {
			good, bad, at := 0, 0, int64(0)
			for n, err := range imap(t.Context(), p, odd.With(pool.TaskOptions{Chunk: chunk}), numbers(100)) {
				var te *pool.TaskError
				switch {
				case errors.As(err, &te) && te.Task == "odd" && te.Text == "even" && n == 0 && (!ordered || at%2 == 0):
					bad++
				case err == nil && n%2 == 1 && (!ordered || n == at):
					good++
				default:
					t.Fatalf("result %d: %d, %v", at, n, err)
				}
				at++
			}
			if good != 50 || bad != 50 {
				t.Errorf("%d good, %d bad", good, bad)
			}
		}
	})
}

// An endless source of arguments that counts them.
func endless(taken *int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for yield(1) {
			*taken++
		}
	}
}

// Arguments are taken only as they are worked off: 8 for each worker are under way, or 32 with
// those that have results which wait for their turn, because the worker of an earlier one was held
// up. Leaving the loop leaves nothing behind.
func TestReadAhead(t *testing.T) {
	eachIMap(t, func(t *testing.T, newPool makePool, ordered bool, imap imapper) {
		p := newPool(pool.Options{Workers: 2})
		taken, got := 0, 0
		for range imap(t.Context(), p, square, endless(&taken)) {
			if got++; got == 100 {
				break
			}
		}
		most := 100 + 2*8
		if ordered {
			most = 100 + 2*32
		}
		if taken > most {
			t.Errorf("%d arguments were taken for %d results, more than %d", taken, got, most)
		}
		wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
		wantNothingLeft(t, p)
	})
}

// While the first result keeps the others waiting, IMap does not take arguments without end.
func TestReadAheadWhileTheFirstIsSlow(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		taken := 0
		args := func(yield func(time.Duration) bool) {
			for d := 500 * time.Millisecond; yield(d); d = 0 {
				taken++
			}
		}
		for _, chunk := range []int{1, 10} {
			taken = 0
			for _, err := range pool.IMap(t.Context(), p, nap.With(pool.TaskOptions{Chunk: chunk}), args) {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			if most := 32 * 2 * chunk; taken > most {
				t.Errorf("chunk %d: %d arguments were taken for one result, more than %d", chunk, taken, most)
			}
		}
	})
}

// The loop body panics: it is the caller's to see, and the pool is as before.
func TestIMapBodyPanics(t *testing.T) {
	eachIMap(t, func(t *testing.T, newPool makePool, _ bool, imap imapper) {
		p := newPool(pool.Options{Workers: 2})
		taken := 0
		func() {
			defer func() {
				if v := recover(); fmt.Sprint(v) != "body" {
					t.Errorf("recovered %v", v)
				}
			}()
			for range imap(t.Context(), p, square, endless(&taken)) {
				panic("body")
			}
		}()
		wantNothingLeft(t, p)
		wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
	})
}

// wantNothingLeft checks that a pool that becomes idle has no task, no slot in use and no block. A
// result is known a moment before its slot is given back.
func wantNothingLeft(t testing.TB, p *pool.Pool) {
	t.Helper()
	// a worker that is being killed, or that begins in place of one, may have a block yet
	proctest.Eventually(t, proctest.Hang, func() bool {
		return p.Stats().Pending == 0 && pool.LostSlots(p) == nil && pool.Leftovers(p) == nil
	}, "nothing is left")
}
