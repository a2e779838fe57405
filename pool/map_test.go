package pool_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestMain(m *testing.M) {
	if os.Getenv("SHMKIT_TEST_FORGETFUL") == "" { // see TestForgottenMain
		pool.Main()
	}
	proctest.Main(m)
}

var square = pool.Define("square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })

var upper = pool.Define("upper", func(_ context.Context, words []string) (map[string]int, error) {
	m := map[string]int{}
	for _, w := range words {
		m[strings.ToUpper(w)]++
	}
	return m, nil
})

var odd = pool.Define("odd", func(_ context.Context, n int64) (int64, error) {
	if n%2 == 0 {
		return 0, errors.New("even")
	}
	return n, nil
})

var forever = pool.Define("forever", func(ctx context.Context, _ int64) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
})

func newPool(t testing.TB, o pool.Options) *pool.Pool {
	t.Helper()
	p, err := pool.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// numbers yields 0 to n-1.
func numbers(n int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range int64(n) {
			if !yield(i) {
				return
			}
		}
	}
}

// A48: map, map of nothing, results in order, and of types that are not of fixed size.
func TestMap(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	got, err := pool.Map(t.Context(), p, square, slices.Collect(numbers(10000)))
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range got {
		if n != int64(i*i) {
			t.Fatalf("square of %d: %d", i, n)
		}
	}
	if got, err := pool.Map(t.Context(), p, square, nil); err != nil || len(got) != 0 {
		t.Errorf("map of nothing: %v, %v", got, err)
	}
	m, err := pool.Map(t.Context(), p, upper, [][]string{{"a", "b", "a"}, nil, strings.Fields(strings.Repeat("x\xff ", 10000))})
	if err != nil || m[0]["A"] != 2 || len(m[1]) != 0 || len(m[2]) != 1 {
		t.Errorf("map of slices: %v, %v", m, err)
	}
}

func TestIMap(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 3})
	want := int64(0)
	for n, err := range pool.IMap(t.Context(), p, square, numbers(1000)) {
		if err != nil || n != want*want {
			t.Fatalf("%d: %d, %v", want, n, err)
		}
		want++
	}
	if want != 1000 {
		t.Errorf("%d results", want)
	}
	sum := int64(0)
	for n, err := range pool.IMapUnordered(t.Context(), p, square, numbers(1000)) {
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if want := int64(999 * 1000 * 1999 / 6); sum != want {
		t.Errorf("sum of squares: %d, not %d", sum, want)
	}
}

// Arguments are taken only as they are worked off.
func TestReadAhead(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	taken := 0
	endless := func(yield func(int64) bool) {
		for yield(1) {
			taken++
		}
	}
	got := 0
	for range pool.IMapUnordered(t.Context(), p, square, endless) {
		if got++; got == 100 {
			break
		}
	}
	if taken > 100+2*8 {
		t.Errorf("%d arguments were taken for %d results", taken, got)
	}
	if got, err := pool.Map(t.Context(), p, square, []int64{3}); err != nil || got[0] != 9 {
		t.Errorf("after leaving the loop: %v, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	good, bad := 0, 0
	for n, err := range pool.IMapUnordered(t.Context(), p, odd, numbers(100)) {
		var te *pool.TaskError
		switch {
		case errors.As(err, &te) && te.Task == "odd" && te.Text == "even":
			bad++
		case err == nil && n%2 == 1:
			good++
		default:
			t.Fatalf("%d, %v", n, err)
		}
	}
	if good != 50 || bad != 50 {
		t.Errorf("%d good, %d bad", good, bad)
	}
	if _, err := pool.Map(t.Context(), p, odd, []int64{1, 2, 3}); err == nil || err.Error() != "even" {
		t.Errorf("map: %v", err)
	}
}

type unsendable struct{ C chan int }

var sendable = pool.Define("unsendable", func(_ context.Context, u unsendable) (unsendable, error) { return u, nil })

var badResult = pool.Define("bad result", func(_ context.Context, n int64) (any, error) {
	if n == 0 {
		return func() {}, nil
	}
	return n, nil
})

// A48: an argument or result that cannot be encoded, 20 times; the workers stay.
func TestUnsendable(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	before := p.Stats()
	for range 20 {
		if _, err := pool.Map(t.Context(), p, sendable, []unsendable{{make(chan int)}}); err == nil || !strings.Contains(err.Error(), "argument") {
			t.Fatalf("argument: %v", err)
		}
		if _, err := pool.Map(t.Context(), p, badResult, []int64{0}); err == nil || !strings.Contains(err.Error(), "result") {
			t.Fatalf("result: %v", err)
		}
	}
	if got, err := pool.Map(t.Context(), p, badResult, []int64{1}); err != nil || len(got) != 1 {
		t.Fatalf("afterwards: %v, %v", got, err)
	}
	after := p.Stats()
	if after.Killed != 0 || after.Workers[0].PID != before.Workers[0].PID {
		t.Errorf("workers did not stay: %v, %v", before, after)
	}
}

func TestContext(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := pool.Map(ctx, p, odd, slices.Collect(numbers(1))); err == nil {
		t.Error("no error of a task")
	}
	waiting, stop := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, stop)
	q := newPool(t, pool.Options{Workers: 2})
	if _, err := pool.Map(waiting, q, forever, []int64{1, 2, 3, 4}); !errors.Is(err, context.Canceled) {
		t.Errorf("map: %v", err)
	}
	if err := q.Terminate(0); err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	done := make(chan error, 1)
	go func() {
		_, err := pool.Map(context.Background(), p, forever, []int64{1, 2, 3, 4})
		done <- err
	}()
	proctest.Eventually(t, 10*time.Second, func() bool { return p.Stats().Pending == 4 }, "tasks are pending")
	if err := p.Terminate(0); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, pool.ErrClosed) {
		t.Errorf("map of a terminated pool: %v", err)
	}
	if _, err := pool.Map(t.Context(), p, square, []int64{1}); !errors.Is(err, pool.ErrClosed) {
		t.Errorf("map after that: %v", err)
	}
	for _, s := range p.Stats().Workers {
		if s.PID != 0 {
			t.Errorf("a worker is left: %v", s)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []pool.Options{{Workers: -1}, {Workers: 100000}, {Backlog: -1}, {Workers: 8, Backlog: 7}, {Memory: -1}, {Memory: 1}} {
		if p, err := pool.New(t.Context(), o); err == nil {
			p.Close()
			t.Errorf("%+v: no error", o)
		} else {
			t.Log(err)
		}
	}
}

type shared struct {
	Sum  *shm.Value[int64]
	Seen *shm.Array[int64]
	Lock *shmsync.Mutex
}

type sharedTask struct {
	Shared shared
	N      int64
}

var addTo = pool.Define("add to", func(ctx context.Context, a sharedTask) (int64, error) {
	if err := a.Shared.Lock.Lock(ctx); err != nil {
		return 0, err
	}
	a.Shared.Seen.Slice()[a.N]++
	a.Shared.Lock.Unlock()
	return a.N, a.Shared.Sum.Update(ctx, func(sum *int64) error {
		*sum += a.N
		return nil
	})
})

// Handles pass as arguments, those of an anonymous segment, too.
func TestHandles(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	var s shared
	if s.Sum, err = shm.NewValue[int64](seg, "sum", 0); err != nil {
		t.Fatal(err)
	}
	if s.Seen, err = shm.NewArray[int64](seg, "seen", 500); err != nil {
		t.Fatal(err)
	}
	if s.Lock, err = shmsync.NewMutex(seg, "lock", shmsync.MutexOptions{}); err != nil {
		t.Fatal(err)
	}
	args := make([]sharedTask, 500)
	for i := range args {
		args[i] = sharedTask{Shared: s, N: int64(i)}
	}
	if _, err := pool.Map(t.Context(), p, addTo, args); err != nil {
		t.Fatal(err)
	}
	if sum, _ := s.Sum.Load(); sum != 499*500/2 {
		t.Errorf("sum: %d", sum)
	}
	for i, n := range s.Seen.All() {
		if n != 1 {
			t.Errorf("element %d: %d", i, n)
		}
	}
}
