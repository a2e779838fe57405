//go:build linux

package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

var background = context.Background()

var square = pool.Define("square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })

var die = pool.Define("die", func(ctx context.Context, ledger *shmsync.Mutex) (struct{}, error) {
	if err := ledger.Lock(ctx); err != nil {
		return struct{}{}, err
	}
	os.Exit(3)
	return struct{}{}, nil
})

func TestMain(m *testing.M) {
	pool.Main()
	os.Exit(m.Run())
}

// scene is a segment with an object of each kind that has metrics.
func scene(t *testing.T, dir string) *shm.Segment {
	t.Helper()
	seg, err := shm.Create(filepath.Join(dir, "shop"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	q, noQueue := queue.NewQueue[int64](seg, "orders", 8, queue.Options{Joinable: true})
	b, noBytes := queue.NewBytes(seg, "lines", 1<<12, queue.Options{})
	mu, noMutex := shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{})
	s, noSemaphore := shmsync.NewSemaphore(seg, "places", 4, shmsync.SemaphoreOptions{})
	d, noDict := shm.NewDict[string, int64](seg, "hits", shm.DictOptions{})
	l, noList := shm.NewList[int64](seg, "log")
	if err := errors.Join(noQueue, noBytes, noMutex, noSemaphore, noDict, noList); err != nil {
		t.Fatal(err)
	}
	for i := range int64(3) {
		_, err := l.Append(background, i)
		if err := errors.Join(err, q.Put(background, i), b.Put(background, []byte("line")), d.Set(background, fmt.Sprint(i), i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = q.Get(background)
	if err := errors.Join(err, s.Acquire(background, 1), mu.Lock(background)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mu.Unlock)
	return seg
}

// sceneMetrics are what is exported of the scene.
const sceneMetrics = `
# HELP shmkit_dict_keys Keys of the Dict.
# TYPE shmkit_dict_keys gauge
shmkit_dict_keys{object="hits",segment="shop"} 3
# HELP shmkit_list_elements Elements of the List.
# TYPE shmkit_list_elements gauge
shmkit_list_elements{object="log",segment="shop"} 3
# HELP shmkit_lock_held 1 while a process has the lock.
# TYPE shmkit_lock_held gauge
shmkit_lock_held{kind="Mutex",object="ledger",segment="shop"} 1
# HELP shmkit_queue_messages Messages in the queue.
# TYPE shmkit_queue_messages gauge
shmkit_queue_messages{kind="Bytes",object="lines",segment="shop"} 3
shmkit_queue_messages{kind="Queue",object="orders",segment="shop"} 2
# HELP shmkit_queue_got_total Messages that were taken.
# TYPE shmkit_queue_got_total counter
shmkit_queue_got_total{kind="Bytes",object="lines",segment="shop"} 0
shmkit_queue_got_total{kind="Queue",object="orders",segment="shop"} 1
# HELP shmkit_queue_unfinished Messages that were taken and not reported as done.
# TYPE shmkit_queue_unfinished gauge
shmkit_queue_unfinished{kind="Queue",object="orders",segment="shop"} 1
# HELP shmkit_segment_objects Objects with a name.
# TYPE shmkit_segment_objects gauge
shmkit_segment_objects{segment="shop"} 6
# HELP shmkit_segment_processes Attachments: living, or ended with a slot that is not in use again.
# TYPE shmkit_segment_processes gauge
shmkit_segment_processes{segment="shop",state="ended"} 0
shmkit_segment_processes{segment="shop",state="living"} 1
# HELP shmkit_semaphore_units_free Units that are free.
# TYPE shmkit_semaphore_units_free gauge
shmkit_semaphore_units_free{object="places",segment="shop"} 3
`

var sceneNames = []string{
	"shmkit_dict_keys", "shmkit_list_elements", "shmkit_lock_held", "shmkit_queue_messages", "shmkit_queue_got_total", "shmkit_queue_unfinished",
	"shmkit_segment_objects", "shmkit_segment_processes", "shmkit_semaphore_units_free",
}

// TestSegments compares what is exported of a segment that this process has attached, and of one
// that is found in a directory.
func TestSegments(t *testing.T) {
	dir := t.TempDir()
	seg := scene(t, dir)
	for name, o := range map[string]Options{
		"attached": {Segments: []*shm.Segment{seg}}, "found": {Dir: dir}, "both": {Segments: []*shm.Segment{seg}, Dir: dir},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(New(o))
			if err := testutil.GatherAndCompare(registry, strings.NewReader(sceneMetrics), sceneNames...); err != nil {
				t.Error(err)
			}
			problems, err := testutil.GatherAndLint(registry)
			if err != nil || len(problems) > 0 {
				t.Errorf("%v %v", problems, err)
			}
		})
	}
}

// TestDeaths exports the death of a process, and that its lock was taken over.
func TestDeaths(t *testing.T) {
	dir := t.TempDir()
	seg, err := shm.Create(filepath.Join(dir, "shop"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	ledger, noMutex := shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{})
	child, noChild := process.Start(background, die, ledger, process.Options{})
	if err := errors.Join(noMutex, noChild); err != nil {
		t.Fatal(err)
	}
	err = child.Join(background)
	if code, _ := child.ExitCode(); code != 3 {
		t.Fatalf("the process ended with exit code %d: %v", code, err)
	}
	if err := ledger.LockRepair(background, func(*shmsync.OwnerDiedError) error { return nil }); err != nil {
		t.Fatal(err)
	}
	defer ledger.Unlock()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(New(Options{Dir: dir}))
	want := ""
	for name, help := range map[string]string{
		"deaths":    "Processes that ended without detaching.",
		"takeovers": "Locks, units, messages and ends that were taken over from processes that died.",
	} {
		want += fmt.Sprintf("# HELP shmkit_segment_%s_total %s\n# TYPE shmkit_segment_%s_total counter\nshmkit_segment_%s_total{segment=\"shop\"} 1\n", name, help, name, name)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "shmkit_segment_deaths_total", "shmkit_segment_takeovers_total"); err != nil {
		t.Error(err)
	}
}

// TestLimit exports sums of a segment with more objects than the limit.
func TestLimit(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	for i := range 3 {
		q, err := queue.NewQueue[int64](seg, fmt.Sprint("queue ", i), 8, queue.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Put(background, 1); err != nil {
			t.Fatal(err)
		}
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(New(Options{Segments: []*shm.Segment{seg}, PerObjectLimit: 2}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]float64{}
	for _, f := range families {
		if n := len(f.GetMetric()); n == 1 {
			m := f.GetMetric()[0]
			seen[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	if seen["shmkit_queue_messages"] != 3 || seen["shmkit_queue_put_total"] != 3 || seen["shmkit_objects_omitted"] != 3 {
		t.Errorf("%v", seen)
	}
}

// TestPools exports a pool of processes.
func TestPools(t *testing.T) {
	p, err := pool.New(background, pool.Options{Workers: 2, Label: "squares"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Terminate(0)
	if _, err := pool.Map(background, p, square, []int64{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	for running(p.Stats().Workers) < 2 { // the other one may still be starting
		runtime.Gosched()
	}
	for _, perWorker := range []bool{false, true} {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(New(Options{Pools: []*pool.Pool{p}, PerWorker: perWorker}))
		want := "# HELP shmkit_pool_workers Workers that have a process.\n# TYPE shmkit_pool_workers gauge\nshmkit_pool_workers{pool=\"squares\"} 2\n"
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "shmkit_pool_workers"); err != nil {
			t.Error(err)
		}
		want = "# HELP shmkit_pool_tasks_total Arguments of tasks that have ended, by how.\n# TYPE shmkit_pool_tasks_total counter\n"
		for outcome, n := range map[string]int{"ok": 3, "error": 0, "panic": 0, "deadline": 0, "died": 0, "canceled": 0, "failed": 0} {
			want += fmt.Sprintf("shmkit_pool_tasks_total{outcome=%q,pool=\"squares\",task=\"square\"} %d\n", outcome, n)
		}
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "shmkit_pool_tasks_total"); err != nil {
			t.Error(err)
		}
		if n, err := testutil.GatherAndCount(registry, "shmkit_pool_run_seconds", "shmkit_pool_total_seconds"); err != nil || n != 2 {
			t.Errorf("%d histograms, %v", n, err)
		}
		n, err := testutil.GatherAndCount(registry, "shmkit_pool_cpu_seconds_total")
		if wantSeries := map[bool]int{false: 1, true: 2}[perWorker]; err != nil || n != wantSeries {
			t.Errorf("%d series of processor time, want %d; %v", n, wantSeries, err)
		}
		if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
	}
}

// TestClosed exports nothing of a segment that this process has closed.
func TestClosed(t *testing.T) {
	dir := t.TempDir()
	seg := scene(t, t.TempDir())
	if err := seg.Close(); err != nil && !errors.As(err, new(*shm.HeldError)) {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(New(Options{Segments: []*shm.Segment{seg}, Dir: dir}))
	if n, err := testutil.GatherAndCount(registry, "shmkit_segment_info"); err != nil || n != 0 {
		t.Errorf("%d segments, %v", n, err)
	}
}

// TestVar publishes the JSON of the tool.
func TestVar(t *testing.T) {
	seg := scene(t, t.TempDir())
	var v expvar.Var = New(Options{Segments: []*shm.Segment{seg}}).Var()
	var got struct {
		Segments []struct {
			Name    string
			Objects []struct{ Name, Kind string }
		}
	}
	if err := json.Unmarshal([]byte(v.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Segments) != 1 || len(got.Segments[0].Objects) != 6 {
		t.Errorf("%+v", got)
	}
}

// Example exports a segment and a pool of this program.
func Example() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seg.Close()
	if _, err := shm.NewCounter(seg, "visits"); err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(New(Options{Segments: []*shm.Segment{seg}}))
	families, err := registry.Gather()
	fmt.Println(len(families) > 0, err)
	// Output: true <nil>
}
