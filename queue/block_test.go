package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
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

// blocks does op as often as it must succeed at once; the next one waits for the way to be free, or fails when the
// queue is closed.
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

// A61: close wakes all who wait, in this process and in others, and does not leave it to them to look again.
func TestCloseWakesAll(t *testing.T) {
	for policyName, policy := range policies {
		for name, op := range map[string]func(context.Context, *Queue[int64]) error{"put": putOne, "get": getOne} {
			t.Run(policyName+"/"+name, func(t *testing.T) {
				const rounds = 3
				var took time.Duration
				for range rounds {
					took += closeWakes(t, policy, name, op)
				}
				if took > rounds*time.Second/2 {
					t.Errorf("the last ones woke after %v in %d rounds", took, rounds)
				}
			})
		}
	}
}

// closeWakes lets 20 goroutines and a process wait, closes the queue, and returns how long they needed to notice.
func closeWakes(t *testing.T, policy shmsync.WaitPolicy, name string, op func(context.Context, *Queue[int64]) error) time.Duration {
	q, path := namedQueue[int64](t, 1, Options{Wait: policy})
	if name == "put" {
		mustPut(t, q, 1)
	}
	child := proctest.Start(t, roleWait, path, name)
	child.Expect("waiting")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := op(background, q); err != ErrClosed {
				t.Errorf("woken with %v", err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond) // so that most of them sleep
	began := time.Now()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	child.Expect("closed")
	took := time.Since(began)
	child.WaitOK()
	if err := q.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	return took
}

// roleWait waits with args[1] on the queue of the segment args[0] until it is closed.
var roleWait = proctest.Register("wait", func(args []string) {
	seg, err := shm.Open(args[0])
	exitOn(err)
	q, err := OpenQueue[int64](seg, "q", Options{})
	exitOn(err)
	proctest.Say("waiting")
	op := getOne
	if args[1] == "put" {
		op = putOne
	}
	if err := op(background, q); err != ErrClosed {
		exitOn(fmt.Errorf("woken with %v", err))
	}
	proctest.Say("closed")
})

// The close of the segment ends this process's waits, and leaves the queue to others.
func TestSegmentClose(t *testing.T) {
	q, path := namedQueue[int64](t, 1, Options{})
	other, err := shm.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	q2, err := OpenQueue[int64](other, "q", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var waited error
	done := proctest.MustBlock(t, func() { waited = getOne(background, q2) })
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	for _, err := range []error{waited, q2.TryPut(1), putOne(background, q2), getOne(background, q2), q2.Close()} {
		if !errors.Is(err, shm.ErrClosed) || !errors.Is(err, os.ErrClosed) || errors.Is(err, ErrClosed) {
			t.Errorf("after the close of the segment: %v", err)
		}
	}
	for v, err := range q2.All(background) {
		if v != 0 || !errors.Is(err, shm.ErrClosed) {
			t.Errorf("All yields %v, %v", v, err)
		}
	}
	mustPut(t, q, 5)
	mustGet(t, q, 5)
}

// The close of the segment waits for a message that is being copied.
func TestSegmentCloseWaitsForClaims(t *testing.T) {
	q, path := namedQueue[int64](t, 2, Options{})
	other := reopen(t, path)
	leaving, err := OpenQueue[int64](other, "q", Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, q, 1)
	_, got, _, err := leaving.r.claimGet()
	if err != nil {
		t.Fatal(err)
	}
	s, put, _, err := leaving.r.claimPut()
	if err != nil {
		t.Fatal(err)
	}
	closed := proctest.MustBlock(t, func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	*valueOf[int64](s) = 2
	leaving.r.publish(s, put)
	if err := leaving.r.release(leaving.r.slot(got), got); err != nil {
		t.Error(err)
	}
	<-closed
	mustGet(t, q, 2)
	mustPut(t, q, 3, 4)
	mustGet(t, q, 3, 4)
	if s := q.Stats(); s.Abandoned != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Goroutines that use the queue while their process closes the segment either succeed or are told. Nothing is
// doubled, or left half-way for the others; what is lost is counted.
func TestSegmentCloseInFlight(t *testing.T) {
	for range 20 {
		q, path := namedQueue[int64](t, 2, Options{})
		other, err := shm.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		leaving, err := OpenQueue[int64](other, "q", Options{})
		if err != nil {
			t.Fatal(err)
		}
		var put, got [2]int64 // by the one that stays, by the one that leaves
		var all sync.WaitGroup
		move := func(i int, q *Queue[int64], stop <-chan struct{}) {
			all.Go(func() {
				for err := error(nil); !errors.Is(err, shm.ErrClosed) && !isDone(stop); {
					if err = q.TryPut(1); err == nil {
						put[i]++
					}
				}
			})
			all.Go(func() {
				for err := error(nil); !errors.Is(err, shm.ErrClosed) && !isDone(stop); {
					if _, err = q.TryGet(); err == nil {
						got[i]++
					}
				}
			})
		}
		stop := make(chan struct{})
		move(0, q, stop)
		move(1, leaving, nil)
		time.Sleep(time.Millisecond)
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Millisecond)
		close(stop)
		all.Wait()
		for {
			if _, err := q.TryGet(); err != nil {
				wantErr(t, err, ErrEmpty)
				break
			}
			got[0]++
		}
		s := q.Stats()
		if lost := put[0] + put[1] - got[0] - got[1]; lost < 0 || lost > int64(s.Abandoned) || s.Abandoned > 2 {
			t.Fatalf("put %v, got %v, stats %+v", put, got, s)
		}
		mustPut(t, q, 1, 2)
		wantErr(t, q.TryPut(3), ErrFull)
		mustGet(t, q, 1, 2)
	}
}

func isDone(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// A put that runs at the time of the close is delivered if it says so, and only then.
func TestCloseDeliversWhatWasPut(t *testing.T) {
	for round := range 200 {
		q := newQueue[int64](t, 4, Options{})
		var put, got [3]int64
		var all sync.WaitGroup
		for g := range put {
			all.Go(func() {
				for q.Put(background, 1) == nil {
					put[g]++
				}
			})
			all.Go(func() {
				for _, err := range q.All(background) {
					if err != nil {
						t.Error(err)
						return
					}
					got[g]++
				}
			})
		}
		time.Sleep(time.Duration(round%10) * 20 * time.Microsecond)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if p, g := put[0]+put[1]+put[2], got[0]+got[1]+got[2]; p != g {
			t.Fatalf("round %d: put %d, got %d", round, p, g)
		}
	}
}

// Ten thousand goroutines that wait need a few threads.
func TestManyWaitersFewThreads(t *testing.T) {
	q := newQueue[int64](t, 1, Options{})
	before := threads(t)
	const waiters = 10_000
	var all sync.WaitGroup
	for range waiters {
		all.Go(func() {
			if _, err := q.Get(background); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	if after := threads(t); after > before+20 {
		t.Errorf("%d threads with all waiting, %d before", after, before)
	}
	for range waiters {
		if err := q.Put(background, 1); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

// threads is how many threads this process has.
func threads(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not tell the number of threads:", err)
	}
	_, rest, _ := strings.Cut(string(status), "Threads:")
	n := 0
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A61: where nobody waits, nobody is woken: no system call is made for it.
func TestNoWakeWithoutWaiters(t *testing.T) {
	q := newQueue[int64](t, 2, Options{})
	for i := range int64(1000) {
		mustPut(t, q, i)
		mustGet(t, q, i)
	}
	if h := q.r.head; h.notEmpty != [len(h.notEmpty)]byte{} || h.notFull != [len(h.notFull)]byte{} {
		t.Errorf("the events were used: %v, %v", h.notEmpty, h.notFull)
	}
}
