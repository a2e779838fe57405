package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
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
	return 6000
}

// hunt kills a worker after random pauses below most until it is stopped: any of those that have
// finished a task, so that the pool gets on however slow the machine is.
func hunt(t *testing.T, p *pool.Pool, most time.Duration) (stop func() (kills int)) {
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
			default:
				proctest.Stagger(most)
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

// Workers are recycled at random and killed every 20 ms or so. Each task has its result, the right
// one, exactly once; nothing is left.
func TestChaos(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(t *testing.T, ctx context.Context, p *pool.Pool, tasks int){
		"IMapUnordered/raw":   chaosUnordered(squareOf),
		"IMapUnordered/chunk": chaosUnordered(squareOf.With(pool.TaskOptions{Chunk: 7})),
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
			stop := hunt(t, p, 40*time.Millisecond)
			start := time.Now()
			run(t, ctx, p, chaosTasks())
			took := time.Since(start)
			kills := stop()
			inShm(t, p)
			wantNothingLeft(t, p)
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

// inShm fails the test when a worker has a file in /dev/shm: the memory of a pool has no name that
// could be left.
func inShm(t *testing.T, p *pool.Pool) {
	t.Helper()
	for _, w := range p.Stats().Workers {
		maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", w.PID))
		if err == nil && bytes.Contains(maps, []byte("/dev/shm/")) {
			t.Errorf("a worker maps a file of /dev/shm:\n%s", maps)
		}
	}
}
