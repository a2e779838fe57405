package cluster

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A chaos is a run of many tasks on hosts that die, stop and are cut off, with a server that is
// killed. What happens next is decided by a seed, and when by how many results there are.
type chaos struct {
	tasks, kills, stops, cuts int
	// kills of the server; with each second one its store is lost
	servers int
	hosts   int
}

// TestChaos has each kind of chaos happen, a few times, or with SHMKIT_LONG=1 many times.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	c := chaos{tasks: 3000, kills: 4, stops: 2, cuts: 1, servers: 2, hosts: 3}
	if os.Getenv("SHMKIT_LONG") != "" {
		c = chaos{tasks: 1_000_000, kills: 350, stops: 150, cuts: 10, servers: 20, hosts: 4}
	}
	c.run(t)
}

// A chaosHost is a host, and the network between it and the server.
type chaosHost struct {
	child *proctest.Child
	net   *proxy
}

func (c *chaos) run(t *testing.T) {
	runs := filepath.Join(t.TempDir(), "runs")
	o := ServerOptions{Listen: freeAddr(t), Dir: t.TempDir()}
	server := startServerProcess(t, o)
	server.Expect("ready")
	k := startCaller(t, o.Listen, Options{Lease: short})
	k.most = c.tasks
	start := func() *chaosHost {
		p := startProxy(t, o.Listen)
		return &chaosHost{startHost(t, hostArgs{Server: p.listener.Addr().String(), Name: "host", Workers: 2, Runs: runs, Tasks: []string{"work"}}), p}
	}
	var hosts []*chaosHost
	for range c.hosts {
		hosts = append(hosts, start())
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var steps []string
	for what, n := range map[string]int{"kill": c.kills, "stop": c.stops, "cut": c.cuts, "server": c.servers} {
		for range n {
			steps = append(steps, what)
		}
	}
	random.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	wiped := false
	heal := func() {}
	for i, step := range steps {
		k.runTo((i + 1) * c.tasks / (len(steps) + 1))
		heal()
		heal = func() {}
		n := random.IntN(len(hosts))
		h := hosts[n]
		switch step {
		case "kill":
			h.child.Kill()
			h.net.close()
			hosts[n] = start()
		case "stop":
			h.child.Signal(syscall.SIGSTOP)
			heal = func() { h.child.Signal(syscall.SIGCONT) }
		case "cut":
			h.net.set(true)
			heal = func() { h.net.set(false) }
		case "server":
			server.Kill()
			if wiped = !wiped; wiped {
				if err := os.RemoveAll(filepath.Join(o.Dir, "jetstream")); err != nil {
					t.Fatal(err)
				}
			}
			server = startServerProcess(t, o)
			server.Expect("ready")
		}
	}
	heal()
	k.runTo(c.tasks)
	for _, h := range hosts {
		h.child.Kill()
	}
	server.Kill()
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range uint64(c.tasks) {
		if r := k.results[id+1]; len(r) != 1 || r[0].Err != nil || string(r[0].Bytes) != fmt.Sprint(id+1) {
			t.Errorf("task %d: %d results, %v", id+1, len(r), r)
		}
	}
	ran, err := os.Stat(runs)
	if err != nil {
		t.Fatal(err)
	}
	n := ran.Size()
	t.Logf("%d tasks ran %d times (%.2f %% again), %d doubled results were dropped, %d tasks submitted again, %d given back, %d hosts lost",
		c.tasks, n, float64(n-int64(c.tasks))*100/float64(c.tasks), k.counts.doubled.Load(), k.counts.resubmitted.Load(), k.counts.givenBack.Load(), k.counts.lost.Load())
	if n < int64(c.tasks) {
		t.Errorf("%d tasks ran only %d times", c.tasks, n)
	}
}

// inFlight is how many tasks a chaos has on their way.
const inFlight = 256

// runTo submits tasks until there are so many results, and leaves those that are on their way.
func (c *testCaller) runTo(results int) {
	proctest.Eventually(c.t, 10*proctest.Hang, func() bool {
		c.mu.Lock()
		done := len(c.results)
		c.mu.Unlock()
		for ; c.next < uint64(min(done+inFlight, c.most)); c.next++ {
			call := engine.Call{ID: c.next + 1, Task: "work", Signature: 1, Count: 1, Arg: fmt.Append(nil, c.next+1)}
			if err := c.Submit(call); err != nil {
				c.t.Error(err)
			}
		}
		return done >= results
	}, "not all results come")
}
