package pooltest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var loops = []behaviour{
	{name: "IMapIsInOrder", check: imapIsInOrder},
	{name: "IMapUnorderedYieldsAsResultsCome", check: imapUnordered},
	{name: "IMapHasErrorsInTheirPlace", check: imapErrors},
	{name: "IMapErrEndsWithErrorOfArguments", check: imapErr},
	{name: "IMapReadsAheadABoundedNumber", check: readAhead},
	{name: "IMapEndsWithItsContext", check: imapEnds},
	{name: "MapFailsWithFirstErrorAndDropsTheRest", check: mapFails},
}

func imapIsInOrder(t *testing.T, _ *Kind, p *pool.Pool) {
	for _, n := range []int{0, 1, 500} {
		at := int64(0)
		for s, err := range pool.IMap(t.Context(), p, square, slices.Values(numbers(n))) {
			wantSquare(t, at)(s, err)
			at++
		}
		if at != int64(n) {
			t.Errorf("%d results of %d", at, n)
		}
	}
	wantIdle(t, p)
}

// The first task ends when the results of the three others are there.
func imapUnordered(t *testing.T, _ *Kind, p *pool.Pool) {
	gate := newGate(t)
	first := make(chan struct{})
	args := func(yield func(job) bool) {
		if !yield(job{N: 0, Gate: gate}) {
			return
		}
		proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending-s.Queued == 1 }, "the first one runs")
		close(first)
		for i := range int64(3) {
			if !yield(job{N: i + 1}) {
				return
			}
		}
	}
	var got []int64
	for n, err := range pool.IMapUnordered(t.Context(), p, do, args) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, n); len(got) == 3 {
			open(t, gate)
		}
	}
	<-first
	if len(got) != 4 || got[3] != 0 {
		t.Errorf("the order is %v", got)
	}
	wantIdle(t, p)
}

func imapErrors(t *testing.T, _ *Kind, p *pool.Pool) {
	for _, chunk := range []int{0, 7} {
		at := int64(0)
		for n, err := range pool.IMap(t.Context(), p, odd.With(pool.TaskOptions{Chunk: chunk}), slices.Values(numbers(100))) {
			var failed *pool.TaskError
			if at%2 == 0 && (!errors.As(err, &failed) || failed.Text != "even") || at%2 == 1 && (err != nil || n != at) {
				t.Errorf("chunk %d, result %d: %d, %v", chunk, at, n, err)
			}
			at++
		}
		if at != 100 {
			t.Errorf("chunk %d: %d results", chunk, at)
		}
	}
	wantIdle(t, p)
}

func imapErr(t *testing.T, _ *Kind, p *pool.Pool) {
	args := func(yield func(int64, error) bool) {
		for i := range int64(20) {
			if !yield(i, nil) {
				return
			}
		}
		yield(0, errKnown)
	}
	for name, imap := range map[string]func(context.Context, *pool.Pool, *pool.Task[int64, int64], iter.Seq2[int64, error]) iter.Seq2[int64, error]{
		"IMapErr": pool.IMapErr[int64, int64], "IMapUnorderedErr": pool.IMapUnorderedErr[int64, int64],
	} {
		results := 0
		var last error
		for _, err := range imap(t.Context(), p, square, args) {
			if last != nil {
				t.Errorf("%s: more follows the error of the arguments", name)
			}
			if last = err; err == nil {
				results++
			}
		}
		if results != 20 || !errors.Is(last, errKnown) {
			t.Errorf("%s: %d results, then %v", name, results, last)
		}
	}
	wantIdle(t, p)
}

func readAhead(t *testing.T, _ *Kind, p *pool.Pool) {
	taken, got := 0, 0
	for _, err := range pool.IMapUnordered(t.Context(), p, square, func(yield func(int64) bool) {
		for yield(1) {
			taken++
		}
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got == 50 {
			break
		}
	}
	if taken > got+8*workers {
		t.Errorf("%d arguments were taken for %d results", taken, got)
	}
	wantIdle(t, p)
}

func imapEnds(t *testing.T, _ *Kind, p *pool.Pool) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	n := 0
	var last error
	for _, err := range pool.IMap(ctx, p, do, func(yield func(job) bool) {
		for i := int64(0); yield(job{N: i, How: map[bool]string{true: waitsForEnd}[i == 10]}); i++ {
		}
	}) {
		if last = err; err != nil {
			continue
		}
		if n++; n == 10 {
			cancel(errKnown)
		}
	}
	if n != 10 || !errors.Is(last, errKnown) {
		t.Errorf("%d results, then %v", n, last)
	}
	wantIdle(t, p)
}

func mapFails(t *testing.T, _ *Kind, p *pool.Pool) {
	jobs := make([]job, 100)
	for i := range jobs {
		jobs[i] = job{How: waitsForEnd}
	}
	jobs[1].How = fails
	var failed *pool.TaskError
	if _, err := pool.Map(t.Context(), p, do.With(pool.TaskOptions{Chunk: 1}), jobs); !errors.As(err, &failed) || failed.Text != "failed on purpose" {
		t.Errorf("the error is %v", err)
	}
	wantIdle(t, p)
}
