package pool_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"go.uber.org/goleak"
)

// belongings are what this process has that a pool could leave: descriptors, children, and what is
// in /dev/shm.
func belongings(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	list := func(dir string) []os.DirEntry {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	for _, e := range list("/proc/self/fd") {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(to, "/proc/") {
			all["descriptor "+e.Name()+" of "+to] = true
		}
	}
	for _, e := range list("/dev/shm") {
		all["/dev/shm/"+e.Name()] = true
	}
	for _, e := range list("/proc") {
		if pid, err := strconv.Atoi(e.Name()); err == nil && proctest.Stat(pid).PPID == os.Getpid() {
			all["process "+e.Name()] = true
		}
	}
	return all
}

// newBelongings are those that were not there before. Other programs use /dev/shm, too: so do tests
// of other packages.
func newBelongings(t *testing.T, before map[string]bool) (all []string) {
	t.Helper()
	for what := range belongings(t) {
		name, shared := strings.CutPrefix(what, "/dev/shm/")
		others := shared && (!strings.HasPrefix(name, "shmkit") ||
			strings.HasPrefix(name, "shmkit-test-") && !strings.HasPrefix(name, fmt.Sprintf("shmkit-test-%d-", os.Getpid())))
		if !before[what] && !others {
			all = append(all, what)
		}
	}
	slices.Sort(all)
	return all
}

// A pool that has been closed, or terminated, leaves nothing, whatever it did before.
func TestLeavesNothing(t *testing.T) {
	newPool(t, pool.Options{Workers: 1}).Close() // what is made once for the whole process
	goroutines := goleak.IgnoreCurrent()
	eachKind(t, func(t *testing.T, _ makePool) {
		create := pool.New
		if strings.HasSuffix(t.Name(), "goroutines") {
			create = pool.NewLocal
		}
		for _, end := range []string{"close", "terminate", "context", "close twice"} {
			before := belongings(t)
			func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				//clock: the time-out is the subject
				p, err := create(ctx, pool.Options{Workers: 3, MaxTasksPerWorker: 50, IdleTimeout: 20 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				use(t, p)
				switch end {
				case "close":
					err = p.Close()
				case "terminate":
					pool.MapAsync(t.Context(), p, forever, make([]int64, 100))
					err = p.Terminate(0)
				case "context":
					cancel()
					err = p.Join(t.Context())
				default:
					err = p.Close()
					p.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}()
			var left []string
			for range 10_000 { // the kernel may still be at it
				if left = newBelongings(t, before); len(left) == 0 {
					break
				}
				proctest.Stagger(2 * time.Millisecond)
			}
			if len(left) > 0 {
				t.Errorf("after %s: %q", end, left)
			}
			if err := proctest.LeftGoroutines(goroutines, goleak.IgnoreTopFunction("testing.(*T).Run")); err != nil {
				t.Errorf("after %s: %v", end, err)
			}
		}
	})
}

// use has a pool do a little of everything.
func use(t *testing.T, p *pool.Pool) {
	t.Helper()
	wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
	f, err := pool.ApplyAsync(t.Context(), p, square, 4)
	if err != nil {
		t.Fatal(err)
	}
	f.OnResult(func(int64) {})
	wantSquare(t, 4)(f.Get(t.Context()))
	if _, err := pool.Map(t.Context(), p, echoBytes, make([][]byte, 100)); err != nil {
		t.Error(err)
	}
	taken := 0
	for range pool.IMap(t.Context(), p, square, endless(&taken)) {
		break
	}
	//clock: the time-out is the subject
	hard := pool.TaskOptions{HardDeadline: 10 * time.Millisecond}
	pool.Apply(t.Context(), p, deaf.With(hard), 200*time.Millisecond)
}
