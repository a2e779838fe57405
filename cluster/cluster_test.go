package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var (
	square = pool.Define("square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })
	length = pool.Define("length", func(_ context.Context, s string) (int, error) {
		if s == "" {
			return 0, errors.New("it is empty")
		}
		return len(s), nil
	})
	large = pool.Define("large", func(_ context.Context, b []byte) ([]byte, error) { return append(b[:len(b):len(b)], 1), nil })
	// waitEnd waits for the end of its context.
	waitEnd = pool.Define("wait", func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	// killWorker kills its worker, with last words.
	killWorker = pool.Define("kill", func(_ context.Context, n int64) (int64, error) {
		if n != 13 {
			return n, nil
		}
		fmt.Fprintln(os.Stderr, "these are the last words")
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	})
	logs = pool.Define("logs", func(ctx context.Context, text string) (int, error) {
		pool.Logger(ctx).Info(text)
		return 0, nil
	})
)

var roleServe = proctest.Register("serve", func(args []string) {
	var o cluster.ServeOptions
	proctest.ExitOn(json.Unmarshal([]byte(args[0]), &o))
	proctest.Say("serves")
	proctest.ExitOn(cluster.Serve(context.Background(), o))
})

// serve starts a host process.
func serve(t testing.TB, c *cluster.Cluster, name string, workers int) *proctest.Child {
	t.Helper()
	return serveAt(t, c.Addr(), name, workers)
}

func serveAt(t testing.TB, address, name string, workers int) *proctest.Child {
	t.Helper()
	// Options have fields that JSON does not know.
	o := map[string]any{"Servers": []string{address}, "Name": name, "Pool": map[string]any{"Workers": workers, "Env": []string{"SHMKIT_BENCH_HOST=" + name}}}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return proctest.Start(t, roleServe, string(b))
}

// withHosts makes a cluster with hosts, and ends all at the end of the test.
func withHosts(t testing.TB, o cluster.Options, hosts, workers int) (*cluster.Cluster, []*proctest.Child) {
	t.Helper()
	c, err := cluster.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var all []*proctest.Child
	for i := range hosts {
		all = append(all, serve(t, c, string(rune('a'+i)), workers))
	}
	awaitHosts(t, c, hosts)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for _, h := range all {
			h.Kill()
		}
	})
	return c, all
}

func awaitHosts(t testing.TB, c *cluster.Cluster, n int) {
	t.Helper()
	if err := c.WaitHosts(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestCallsOfAPoolRunOnHosts(t *testing.T) {
	c, hosts := withHosts(t, cluster.Options{}, 2, 2)
	ctx := t.Context()
	if n, err := pool.Apply(ctx, c.Pool, square, 12); n != 144 || err != nil {
		t.Errorf("Apply: %d, %v", n, err)
	}
	var args, want []int64
	for i := range int64(5000) {
		args, want = append(args, i), append(want, i*i)
	}
	if got, err := pool.Map(ctx, c.Pool, square, args); !slices.Equal(got, want) || err != nil {
		t.Errorf("Map: %d results, %v", len(got), err)
	}
	var got []int64
	for n, err := range pool.IMap(ctx, c.Pool, square, slices.Values(args[:300])) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if !slices.Equal(got, want[:300]) {
		t.Errorf("IMap: %d results", len(got))
	}
	var failed *pool.TaskError
	if _, err := pool.Apply(ctx, c.Pool, length, ""); !errors.As(err, &failed) || failed.Text != "it is empty" {
		t.Errorf("the error of a task: %v", err)
	}
	if err := c.Resize(3); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Resize: %v", err)
	}
	var s pool.Stats
	proctest.Eventually(t, proctest.Hang, func() bool { s = c.Stats(); return len(s.Missing) == 0 }, "all hosts answer")
	if len(s.Workers) != 4 || !strings.HasPrefix(s.Workers[0].Name, "a/") || !strings.HasPrefix(s.Workers[3].Name, "b/") {
		t.Errorf("Stats: %+v", s.Workers)
	}
	for _, h := range hosts {
		h.Signal(syscall.SIGTERM)
		h.WaitOK()
	}
}

func TestLargeValuesTravel(t *testing.T) {
	c, _ := withHosts(t, cluster.Options{}, 1, 1)
	for _, size := range []int{100, 600 << 10, 3 << 20} {
		arg := make([]byte, size)
		for i := range arg {
			arg[i] = byte(i >> 4)
		}
		got, err := pool.Apply(t.Context(), c.Pool, large, arg)
		if err != nil || !slices.Equal(got, append(arg, 1)) {
			t.Errorf("%d bytes: %d bytes, %v", size, len(got), err)
		}
	}
}

func TestCancelAndDeadlinesReachTask(t *testing.T) {
	c, _ := withHosts(t, cluster.Options{}, 1, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	f, err := pool.ApplyAsync(ctx, c.Pool, waitEnd, 0)
	if err != nil {
		t.Fatal(err)
	}
	because := errors.New("because")
	cancel(because)
	if _, err := f.Get(t.Context()); !errors.Is(err, because) {
		t.Errorf("cancelled: %v", err)
	}
	//clock: the deadlines are the subject
	soft := waitEnd.With(pool.TaskOptions{SoftDeadline: time.Millisecond})
	if _, err := pool.Apply(t.Context(), c.Pool, soft, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("soft deadline: %v", err)
	}
	deaf := pool.TaskOptions{HardDeadline: 100 * time.Millisecond} //clock: the same
	var late *pool.DeadlineError
	if _, err := pool.Apply(t.Context(), c.Pool, waitEnd.With(deaf), 0); !errors.As(err, &late) || late.Task != "wait" {
		t.Errorf("hard deadline: %v", err)
	}
	if n, err := pool.Apply(t.Context(), c.Pool, square, 3); n != 9 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

func TestPoisonIsQuarantinedAndItsChunkSplit(t *testing.T) {
	c, _ := withHosts(t, cluster.Options{Pool: pool.Options{Attempts: 2}}, 2, 1)
	var died *pool.WorkerDiedError
	_, err := pool.Apply(t.Context(), c.Pool, killWorker, 13)
	if !errors.As(err, &died) || died.Attempts != 2 || !strings.Contains(died.Stderr, "these are the last words") || !strings.Contains(died.Worker, "/") {
		t.Fatalf("the error is %v", err)
	}
	n := int64(0)
	var errs []error
	for r, err := range pool.IMap(t.Context(), c.Pool, killWorker.With(pool.TaskOptions{Chunk: 10}), func(yield func(int64) bool) {
		for i := range int64(40) {
			if !yield(i) {
				return
			}
		}
	}) {
		if err != nil {
			errs = append(errs, err)
		} else if r != n {
			t.Errorf("result %d is %d", n, r)
		}
		n++
	}
	if n != 40 || len(errs) != 1 || !errors.As(errs[0], &died) {
		t.Errorf("%d results, the errors are %v", n, errs)
	}
}

// killHost logs, and kills its host when the file is there.
var killHost = pool.Define("kill host", func(ctx context.Context, file string) (int, error) {
	pool.Logger(ctx).Info("these are the host's last words")
	for {
		if _, err := os.Stat(file); err == nil {
			syscall.Kill(os.Getppid(), syscall.SIGKILL)
			select {}
		}
		proctest.Stagger(time.Millisecond)
	}
})

func TestErrorOfLostHostsHasLastRecord(t *testing.T) {
	c, hosts := withHosts(t, cluster.Options{HostAttempts: 1}, 1, 1)
	file := filepath.Join(t.TempDir(), "go")
	f, err := pool.ApplyAsync(t.Context(), c.Pool, killHost, file)
	if err != nil {
		t.Fatal(err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool {
		hosts := c.Hosts()
		return slices.Contains(cluster.LastLines(c), "these are the host's last words") && len(hosts) == 1 && hosts[0].Held == 1
	}, "the task tells nothing")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var lost *cluster.HostLostError
	if _, err := f.Get(t.Context()); !errors.As(err, &lost) || lost.Last != "these are the host's last words" || !slices.Equal(lost.Hosts, []string{"a"}) || !strings.Contains(err.Error(), lost.Last) {
		t.Errorf("the error is %#v", err)
	}
	if state := hosts[0].Wait(); state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the host has ended otherwise: %v", state)
	}
}

func TestMapSurvivesDeathsOfHosts(t *testing.T) {
	//clock: the lease looks after what a host has not told of before its death
	c, hosts := withHosts(t, cluster.Options{Lease: time.Second}, 2, 2)
	var got int64
	killed := 0
	for n, err := range pool.IMapUnordered(t.Context(), c.Pool, square, func(yield func(int64) bool) {
		for i := range int64(2000) {
			if !yield(i) {
				return
			}
		}
	}) {
		if err != nil {
			t.Fatal(err)
		}
		_ = n
		if got++; got%600 == 0 {
			hosts[killed%2].Kill()
			hosts[killed%2] = serve(t, c, "heir", 2)
			killed++
		}
	}
	if got != 2000 || killed != 3 {
		t.Errorf("%d results, %d hosts killed", got, killed)
	}
	for _, h := range hosts {
		h.Kill()
	}
}

// A recorder is a handler that keeps messages.
type recorder struct {
	mu   sync.Mutex
	said []string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }
func (r *recorder) Handle(_ context.Context, l slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, l.Message)
	return nil
}

func TestLogsOfAllHostsComeToOnePlace(t *testing.T) {
	c, _ := withHosts(t, cluster.Options{}, 2, 1)
	var r recorder
	stop, err := c.Logs(&r)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, text := range []string{"one", "two", "three", "four"} {
		if _, err := pool.Apply(t.Context(), c.Pool, logs, text); err != nil {
			t.Fatal(err)
		}
	}
	proctest.Eventually(t, proctest.Hang, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, text := range []string{"one", "two", "three", "four"} {
			if !slices.Contains(r.said, text) {
				return false
			}
		}
		return true
	}, "not all records come")
}

func TestNewWaitsForHostsAndSaysWhichItSaw(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := cluster.New(ctx, cluster.Options{MinHosts: 1}); err == nil {
		c.Close()
		t.Error("it does not wait")
	}
	s, err := cluster.NewServer(t.Context(), cluster.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// on a busy machine a short time is over before the caller is connected
	for limit := time.Second; ; limit *= 4 {
		ctx, cancel := context.WithTimeout(t.Context(), limit) //clock: the time-out is the subject
		_, err := cluster.New(ctx, cluster.Options{Servers: []string{s.Addr()}, MinHosts: 1})
		cancel()
		if errors.Is(err, cluster.ErrNoHosts) {
			break
		}
		if err == nil || limit > proctest.Hang {
			t.Fatalf("no host comes: %v", err)
		}
	}
}

// proctest.Main and goleak look after processes and goroutines of all tests here.
func TestCloseLeavesNoPortAndNoFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	before, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	// no other process takes the port when it is free
	c, err := cluster.New(t.Context(), cluster.Options{Listen: proctest.Loopback() + ":0"})
	if err != nil {
		t.Fatal(err)
	}
	address := c.Addr()
	h := serve(t, c, "host", 1)
	if _, err := pool.Apply(t.Context(), c.Pool, square, 2); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	h.Kill()
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("the port is open")
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	var after []os.DirEntry
	proctest.Eventually(t, proctest.Hang, func() bool {
		after, err = os.ReadDir("/proc/self/fd")
		return err == nil && len(after) <= len(before)
	}, "descriptors are left")
}

func TestTasksWaitForTheFirstHost(t *testing.T) {
	c, err := cluster.New(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*pool.Future[int64]
	for i := range int64(20) {
		f, err := pool.ApplyAsync(t.Context(), c.Pool, square, i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	h := serve(t, c, "late", 1)
	for i, f := range all {
		if n, err := f.Get(t.Context()); err != nil || n != int64(i)*int64(i) {
			t.Errorf("task %d: %d, %v", i, n, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	h.Kill()
}
