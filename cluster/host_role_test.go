package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

func TestMain(m *testing.M) {
	pool.Main()
	proctest.Main(m, proctest.Leaks(goleak.IgnoreAnyFunction("github.com/shmkit/shmkit/internal/proctab.(*keeper).serve")))
}

// hostArgs are what a host that a test starts is told.
type hostArgs struct {
	Server  string
	Secret  string
	Name    string
	Tags    []string
	Tasks   []string
	Workers int
	Ahead   int           // ServeOptions.ReadAhead
	Kill    string        // the point at which it kills itself; empty: none
	Tell    string        // the point that it tells of
	Life    time.Duration // between signs of life
	Silence time.Duration
	Say     bool   // it says what it runs
	Runs    string // a file that gets a byte for each run
	Doomed  bool   // it may die before it says that it is ready
}

var roleHostOf = proctest.Register("host", hostProcess)

// hostProcess is a host that runs tasks on its own goroutines:
//
//	echo   returns the argument
//	hold   waits for the end of its context, or for a line "go"
//	kill   kills the host
func hostProcess(args []string) {
	var a hostArgs
	proctest.ExitOn(json.Unmarshal([]byte(args[0]), &a))
	var nc *nats.Conn
	ready := make(chan struct{})
	hook := func(point string, id uint64) {
		if point != a.Kill && point != a.Tell && point != "client gone" {
			return
		}
		<-ready
		proctest.ExitOn(nc.Flush())
		if point == a.Kill {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		proctest.Say("at %s", point)
	}
	o := &ServeOptions{Name: a.Name, Queue: "main", Tags: a.Tags, ReadAhead: a.Ahead, hooks: hooks{at: hook, life: a.Life, silence: a.Silence}}
	access := access{servers: []string{a.Server}, role: roleHost, name: a.Name, secret: a.Secret}
	var err error
	nc, err = access.connect(context.Background())
	proctest.ExitOn(err)
	var tasks []wire.Signature
	for _, name := range a.Tasks {
		tasks = append(tasks, wire.Signature{Name: name, Hash: 1})
	}
	h, err := newHost(o, nc, a.Workers, tasks, newGoRunner(&a).run, func() engine.Stats { return engine.Stats{Workers: []engine.WorkerStats{{Name: "w"}}} })
	proctest.ExitOn(err)
	close(ready)
	proctest.Say("ready")
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	h.drain(context.Background())
	h.stop()
	closeConn(nc)
}

// A goRunner runs tasks on goroutines, as many as there are workers, in their order.
type goRunner struct {
	a    *hostArgs
	todo chan func()
	once sync.Once
	lets chan struct{} // closed by a line "go"
	runs *os.File
}

func newGoRunner(a *hostArgs) *goRunner {
	r := &goRunner{a: a, todo: make(chan func(), 1<<16), lets: make(chan struct{})}
	if a.Runs != "" {
		var err error
		r.runs, err = os.OpenFile(a.Runs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		proctest.ExitOn(err)
	}
	for range a.Workers {
		go func() {
			for f := range r.todo {
				f()
			}
		}()
	}
	return r
}

func (r *goRunner) run(ctx context.Context, c engine.Call, done func(engine.Result)) (engine.Watch, error) {
	if !slices.Contains(r.a.Tasks, c.Task) {
		return nil, &engine.UnknownError{Task: c.Task}
	}
	arg := append([]byte(nil), c.Arg...)
	var once sync.Once
	stop := context.AfterFunc(ctx, func() {
		once.Do(func() {
			proctest.Say("context ended")
			done(engine.Result{ID: c.ID, Err: context.Cause(ctx)})
		})
	})
	var began atomic.Pointer[engine.Began]
	r.todo <- func() {
		if ctx.Err() == nil {
			began.Store(&engine.Began{At: time.Now()})
			r.task(ctx, c.Task)
		}
		if ctx.Err() != nil { // the other function says so
			return
		}
		once.Do(func() {
			stop()
			done(engine.Result{ID: c.ID, Kind: 1, Bytes: arg, Ran: time.Millisecond})
		})
	}
	return func() (engine.Began, bool) {
		b := began.Load()
		if b == nil {
			return engine.Began{}, false
		}
		return *b, true
	}, nil
}

func (r *goRunner) task(ctx context.Context, name string) {
	if r.a.Say {
		proctest.Say("runs %s", name)
	}
	switch name {
	case "work":
		if _, err := r.runs.Write([]byte{1}); err != nil {
			panic(err)
		}
		time.Sleep(time.Millisecond) //clock: it is the work
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "hold":
		r.once.Do(func() {
			go func() {
				for proctest.Hear() != "go" {
				}
				close(r.lets)
			}()
		})
		select {
		case <-ctx.Done():
		case <-r.lets:
		}
	}
}

// startHost starts a host process, and waits until it takes tasks.
func startHost(t testing.TB, a hostArgs) *proctest.Child {
	t.Helper()
	if a.Workers == 0 {
		a.Workers = 1
	}
	if a.Tasks == nil {
		a.Tasks = []string{"echo", "hold", "kill"}
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	c := proctest.Start(t, roleHostOf, string(b))
	if !a.Doomed {
		c.Expect("ready")
	}
	return c
}

// A testCaller is a caller without a pool: the test sees what it delivers.
type testCaller struct {
	*caller
	t       testing.TB
	nc      *nats.Conn
	mu      sync.Mutex
	results map[uint64][]engine.Result
	next    uint64
	most    int // tasks that a chaos submits
	stopped sync.Once
}

// startCaller makes a caller of the server at an address.
func startCaller(t testing.TB, address string, o Options) *testCaller {
	t.Helper()
	c, err := openCaller(address, o)
	if err != nil {
		t.Fatal(err)
	}
	c.t = t
	t.Cleanup(c.close)
	return c
}

func openCaller(address string, o Options) (*testCaller, error) {
	o.Servers = []string{address}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	access := access{servers: o.Servers, role: roleCaller, name: "caller", secret: o.Secret}
	c := &testCaller{results: map[uint64][]engine.Result{}}
	if c.nc, err = access.connect(context.Background()); err != nil {
		return nil, err
	}
	c.caller, err = newCaller(context.Background(), &o, c.nc, func(r engine.Result) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		r.Bytes = append([]byte(nil), r.Bytes...)
		c.results[r.ID] = append(c.results[r.ID], r)
		return len(c.results[r.ID]) == 1
	})
	return c, err
}

func (c *testCaller) close() {
	c.stopped.Do(func() {
		c.stop()
		closeConn(c.nc)
	})
}

// submit submits n tasks, and returns their ids.
func (c *testCaller) submit(n int, task string) (ids []uint64) {
	for range n {
		c.next++
		call := engine.Call{ID: c.next, Task: task, Signature: 1, Count: 1, Attempts: 3, Arg: fmt.Appendf(nil, "%d", c.next)}
		if err := c.Submit(call); err != nil {
			panic(err)
		}
		ids = append(ids, c.next)
	}
	return ids
}

// has waits until there are results of all ids.
func (c *testCaller) has(ids []uint64) {
	c.t.Helper()
	proctest.Eventually(c.t, 5*proctest.Hang, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, id := range ids {
			if len(c.results[id]) == 0 {
				return false
			}
		}
		return true
	}, "not all results come")
}

// checks waits for the results of ids and checks that each is right, and there once.
func (c *testCaller) checks(ids []uint64) {
	c.t.Helper()
	c.has(ids)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		r := c.results[id]
		if len(r) != 1 || r[0].Err != nil || string(r[0].Bytes) != fmt.Sprint(id) {
			c.t.Errorf("task %d: %d results, the first is %q, %v", id, len(r), r[0].Bytes, r[0].Err)
		}
	}
}

// errOf waits for the error of a task.
func (c *testCaller) errOf(id uint64) error {
	c.t.Helper()
	c.has([]uint64{id})
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.results[id][0].Err
}

// holder waits until a host has the task, and returns its name.
func (c *testCaller) holder(id uint64) (name string) {
	c.t.Helper()
	proctest.Eventually(c.t, proctest.Hang, func() bool {
		c.caller.mu.Lock()
		defer c.caller.mu.Unlock()
		e := c.entries[id]
		if e == nil || e.holder == "" || c.hosts[e.holder] == nil {
			return false
		}
		name = c.hosts[e.holder].life.Name
		return true
	}, "no host takes the task")
	return name
}

// queued is how many messages the stream has.
func (c *testCaller) queued() uint64 {
	c.t.Helper()
	s, err := c.q.js.Stream(context.Background(), streamOf("main"))
	if err != nil {
		c.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// isEmpty waits until the stream is empty.
func (c *testCaller) isEmpty() {
	c.t.Helper()
	proctest.Eventually(c.t, proctest.Hang, func() bool { return c.queued() == 0 }, "messages stay in the stream")
}

// startServer starts a server in this process.
func startServer(t *testing.T, o ServerOptions) *Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := NewServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// said waits for a line of a child that begins so.
func said(c *proctest.Child, prefix string) string {
	for {
		if line := c.Line(); strings.HasPrefix(line, prefix) {
			return line
		}
	}
}
