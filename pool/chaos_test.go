package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A pair is a result that says which argument it belongs to.
type pair struct{ N, Square int64 }

var squareOf = pool.Define("square of", func(_ context.Context, n int64) (pair, error) { return pair{n, n * n}, nil })

// A parcel's result is as large as it says, and made of its number.
type parcel struct{ N, Bytes int64 }

var wrap = pool.Define("wrap", func(_ context.Context, a parcel) ([]byte, error) { return wrapped(a), nil })

var rewrap = pool.Define("rewrap", func(_ context.Context, b []byte) ([]byte, error) { return bytes.ToUpper(b), nil })

func wrapped(a parcel) []byte {
	text := fmt.Sprintf("parcel %d ", a.N)
	return []byte(strings.Repeat(text, int(a.Bytes)/len(text)+1))
}

func parcelOf(n int64) parcel { return parcel{n, n * 7919 % 9000} }

// chaosTasks is how many tasks a property test runs: SHMKIT_LONG=1 asks for all.
func chaosTasks() int {
	switch {
	case os.Getenv("SHMKIT_LONG") != "":
		return 100000
	case testing.Short():
		return 2000
	}
	return 20000
}

// hunt kills a worker every so often until it is stopped: any of those that have finished a task, so that the pool gets on however
// slow the machine is.
func hunt(t *testing.T, p *pool.Pool, every time.Duration) (stop func() (kills int)) {
	end, ended := make(chan struct{}), make(chan int, 1)
	go func() {
		kills := 0
		born := map[int]uint64{} // what had been done when a process was first seen
		dead := map[int]bool{}
		for {
			select {
			case <-end:
				ended <- kills
				return
			case <-time.After(every):
			}
			var prey []int
			for _, w := range p.Stats().Workers {
				if _, seen := born[w.PID]; !seen {
					born[w.PID] = w.Tasks
				}
				if w.PID != 0 && !dead[w.PID] && w.Tasks > born[w.PID] {
					prey = append(prey, w.PID)
				}
			}
			if len(prey) == 0 {
				continue
			}
			pid := prey[rand.IntN(len(prey))]
			if dead[pid] = true; proctest.Signal(t, pid, syscall.SIGKILL) {
				kills++
			}
		}
	}()
	return func() int {
		close(end)
		return <-ended
	}
}

// A witness notes the ends of all workers of a pool.
type witness struct {
	mu    sync.Mutex
	exits []pool.WorkerExit
}

func (w *witness) note(e pool.WorkerExit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exits = append(w.exits, e)
}

func (w *witness) all() []pool.WorkerExit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]pool.WorkerExit(nil), w.exits...)
}

// reasons counts the ends by reason.
func (w *witness) reasons() map[string]int {
	n := map[string]int{}
	for _, e := range w.all() {
		n[e.Reason]++
	}
	return n
}

// gone fails the test unless every worker that has ended is no process any more, and each of them has ended once.
func (w *witness) gone(t *testing.T) {
	t.Helper()
	seen := map[int]bool{}
	all := w.all()
	few := len(all) < 1000 // of more, the kernel may have given an id to two: then they are counted, see TestChaos
	for _, e := range all {
		if seen[e.PID] && few {
			t.Errorf("worker %d has ended twice", e.PID)
		}
		seen[e.PID] = true
		if len(groupOf(t, fmt.Sprint(e.PID))) > 0 {
			t.Errorf("worker %d, or a child of its own, is still there", e.PID)
		}
	}
}

// Workers are recycled at random and killed every 20 ms. Each task has its result, the right one, exactly once; nothing is left.
func TestChaos(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, ctx context.Context, p *pool.Pool, tasks int){
		"IMapUnordered/raw":   chaosUnordered,
		"IMapUnordered/chunk": chaosChunks,
		"IMap/bytes":          chaosOrdered,
		"Map/auto":            chaosMap,
		"Map/bytes":           chaosMapBytes,
		"Apply":               chaosApply,
		"ApplyAsync":          chaosAsync,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			var w witness
			o := pool.Options{
				Workers: 3, Attempts: -1, MaxTasksPerWorker: 1 + rand.IntN(3000), OnWorkerExit: w.note,
			}
			p := newPool(t, o)
			stop := hunt(t, p, 20*time.Millisecond)
			start := time.Now()
			run(t, ctx, p, chaosTasks())
			took := time.Since(start)
			kills := stop()
			inShm(t, p)
			if err := pool.Leftovers(p); err != nil {
				t.Error(err)
			}
			if s := p.Stats(); s.Pending != 0 || s.Queued != 0 {
				t.Errorf("%d tasks are left", s.Pending)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			w.gone(t)
			if s, ends := p.Stats(), w.reasons(); ends["died"] != s.Killed || ends["recycled"] != s.Recycled {
				t.Errorf("%d workers were replaced since they died, and %d were recycled, but these ends were told: %v", s.Killed, s.Recycled, ends)
			}
			t.Logf("%d tasks in %v, at most %d for a worker: %d kills, ends: %v", chaosTasks(), took.Round(time.Millisecond), o.MaxTasksPerWorker, kills, w.reasons())
		})
	}
}

// inShm fails the test when a worker has a file in /dev/shm: the memory of a pool has no name that could be left.
func inShm(t *testing.T, p *pool.Pool) {
	t.Helper()
	for _, w := range p.Stats().Workers {
		maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", w.PID))
		if err == nil && bytes.Contains(maps, []byte("/dev/shm/")) {
			t.Errorf("a worker maps a file of /dev/shm:\n%s", maps)
		}
	}
}

// A census counts how often each result has come.
type census []atomic.Uint32

func (y census) add(t *testing.T, n int64) {
	t.Helper()
	if n < 0 || n >= int64(len(y)) {
		t.Fatalf("a result of no task: %d", n)
	}
	y[n].Add(1)
}

func (y census) check(t *testing.T) {
	t.Helper()
	for n := range y {
		if times := y[n].Load(); times != 1 {
			t.Fatalf("result %d came %d times", n, times)
		}
	}
}

func chaosUnordered(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	y := make(census, tasks)
	for r, err := range pool.IMapUnordered(ctx, p, squareOf, numbers(tasks)) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Square != r.N*r.N {
			t.Fatalf("%+v", r)
		}
		y.add(t, r.N)
	}
	y.check(t)
}

func chaosChunks(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	y := make(census, tasks)
	for r, err := range pool.IMapUnordered(ctx, p, squareOf.With(pool.TaskOptions{Chunk: 7}), numbers(tasks)) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Square != r.N*r.N {
			t.Fatalf("%+v", r)
		}
		y.add(t, r.N)
	}
	y.check(t)
}

func chaosOrdered(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	args := func(yield func(parcel) bool) {
		for n := range numbers(tasks) {
			if !yield(parcelOf(n)) {
				return
			}
		}
	}
	next := int64(0)
	for b, err := range pool.IMap(ctx, p, wrap, args) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, wrapped(parcelOf(next))) {
			t.Fatalf("result %d is another's: %d bytes, %.20q", next, len(b), b)
		}
		next++
	}
	if next != int64(tasks) {
		t.Errorf("%d results of %d", next, tasks)
	}
}

func chaosMap(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	args := make([]int64, tasks)
	for i := range args {
		args[i] = int64(i)
	}
	results, err := pool.Map(ctx, p, squareOf, args)
	if err != nil || len(results) != tasks {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if n := int64(i); r != (pair{n, n * n}) {
			t.Fatalf("result %d: %+v", i, r)
		}
	}
}

// chaosMapBytes has large arguments and large results.
func chaosMapBytes(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	const batch = 1000
	for from := 0; from < tasks; from += batch {
		args := make([][]byte, min(batch, tasks-from))
		for i := range args {
			args[i] = wrapped(parcelOf(int64(from + i)))
		}
		results, err := pool.Map(ctx, p, rewrap, args)
		if err != nil || len(results) != len(args) {
			t.Fatalf("%d results, %v", len(results), err)
		}
		for i, b := range results {
			if !bytes.Equal(b, bytes.ToUpper(args[i])) {
				t.Fatalf("result %d is another's: %d bytes, %.20q", from+i, len(b), b)
			}
		}
	}
}

func chaosApply(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	const callers = 8
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for n := next.Add(1) - 1; n < int64(tasks) && !t.Failed(); n = next.Add(1) - 1 {
				if n%2 == 0 {
					if r, err := pool.Apply(ctx, p, squareOf, n); err != nil || r != (pair{n, n * n}) {
						t.Errorf("task %d: %+v, %v", n, r, err)
					}
				} else if b, err := pool.Apply(ctx, p, wrap, parcelOf(n)); err != nil || !bytes.Equal(b, wrapped(parcelOf(n))) {
					t.Errorf("task %d: %d bytes, %v", n, len(b), err)
				}
			}
		})
	}
	all.Wait()
}

func chaosAsync(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	y := make(census, tasks)
	futures := make([]*pool.Future[pair], tasks)
	var called sync.WaitGroup
	for n := range numbers(tasks) {
		f, err := pool.ApplyAsync(ctx, p, squareOf, n)
		if err != nil {
			t.Fatal(err)
		}
		called.Add(1)
		f.OnResult(func(r pair) { y.add(t, r.N); called.Done() })
		futures[n] = f
	}
	for n, f := range futures {
		if r, err := f.Get(ctx); err != nil || r != (pair{int64(n), int64(n) * int64(n)}) {
			t.Fatalf("task %d: %+v, %v", n, r, err)
		}
	}
	called.Wait()
	y.check(t)
}
