package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

var policies = map[string]shmsync.WaitPolicy{"adaptive": shmsync.Adaptive, "park": shmsync.Park, "spin": shmsync.Spin}

// A queue in each state that matters to the operations, and how to get it there.
var states = map[string]struct {
	put, get int // how many of each succeed at once
	closed   bool
	fill     int
}{
	"empty":             {fill: 0, put: 2, get: 0},
	"half":              {fill: 1, put: 1, get: 1},
	"full":              {fill: 2, put: 0, get: 2},
	"closed":            {fill: 0, put: 0, get: 0, closed: true},
	"closed with one":   {fill: 1, put: 0, get: 1, closed: true},
	"closed while full": {fill: 2, put: 0, get: 2, closed: true},
}

// A41, A61: each operation, blocking, with a timeout and without waiting, on a queue in each state.
func TestOperationsByState(t *testing.T) {
	for policyName, policy := range policies {
		for name, s := range states {
			t.Run(policyName+"/"+name, func(t *testing.T) {
				prepare := func() *Queue[int64] {
					q := newQueue[int64](t, 2, Options{Wait: policy})
					for i := range s.fill {
						mustPut(t, q, int64(i))
					}
					if s.closed {
						if err := q.Close(); err != nil {
							t.Fatal(err)
						}
					}
					return q
				}
				tryAll(t, prepare(), s.put, ErrFull, s.closed, func(q *Queue[int64]) error { return q.TryPut(7) })
				tryAll(t, prepare(), s.get, ErrEmpty, s.closed, func(q *Queue[int64]) error { _, err := q.TryGet(); return err })
				tryAll(t, prepare(), s.put, errTimeout, s.closed, func(q *Queue[int64]) error { return withTimeout(q, putOne) })
				tryAll(t, prepare(), s.get, errTimeout, s.closed, func(q *Queue[int64]) error { return withTimeout(q, getOne) })
				tryAll(t, prepare(), s.put, errCancelled, s.closed, func(q *Queue[int64]) error { return putOne(cancelled(), q) })
				tryAll(t, prepare(), s.get, errCancelled, s.closed, func(q *Queue[int64]) error { return getOne(cancelled(), q) })
				blocks(t, prepare(), s.put, s.closed, putOne, func(q *Queue[int64]) error { _, err := q.TryGet(); return err })
				blocks(t, prepare(), s.get, s.closed, getOne, func(q *Queue[int64]) error { return q.TryPut(9) })
			})
		}
	}
}

var (
	errTimeout   = context.DeadlineExceeded
	errCancelled = errors.New("cancelled on purpose")
)

func putOne(ctx context.Context, q *Queue[int64]) error { return q.Put(ctx, 7) }

func getOne(ctx context.Context, q *Queue[int64]) error { _, err := q.Get(ctx); return err }

// cancelled is a context that has ended, with a cause of its own.
func cancelled() context.Context {
	ctx, cancel := context.WithCancelCause(background)
	cancel(errCancelled)
	return ctx
}

// withTimeout does an operation that may wait, and checks that a timeout is never early.
//
// clock: that a time-out is never early is the subject
func withTimeout(q *Queue[int64], op func(context.Context, *Queue[int64]) error) error {
	const patience = 5 * time.Millisecond
	began := time.Now()
	ctx, cancel := context.WithTimeout(background, patience)
	defer cancel()
	err := op(ctx, q)
	if err == errTimeout && time.Since(began) < patience {
		return errors.New("the timeout came early")
	}
	return err
}

// tryAll does op as often as it must succeed, and once more.
func tryAll(t *testing.T, q *Queue[int64], n int, last error, closed bool, op func(*Queue[int64]) error) {
	t.Helper()
	for i := range n {
		if err := op(q); err != nil {
			t.Fatalf("%d of %d: %v", i+1, n, err)
		}
	}
	if closed {
		last = ErrClosed
	}
	wantErr(t, op(q), last)
}

// blocks does op as often as it must succeed at once; the next one waits for the way to be free, or
// fails when the queue is closed.
func blocks(t *testing.T, q *Queue[int64], n int, closed bool, op func(context.Context, *Queue[int64]) error, free func(*Queue[int64]) error) {
	t.Helper()
	for range n {
		if err := op(background, q); err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		wantErr(t, op(background, q), ErrClosed)
		return
	}
	var err error
	done := proctest.MustBlock(t, func() { err = op(background, q) })
	if err := free(q); err != nil {
		t.Fatal(err)
	}
	<-done
	if err != nil {
		t.Fatal(err)
	}
}
