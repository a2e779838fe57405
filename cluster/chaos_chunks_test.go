package cluster_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A marked is an argument. Its task leaves a byte in a file when it runs.
type marked struct {
	N    int64
	File string
}

var mark = pool.Define("mark", func(_ context.Context, m marked) (int64, error) {
	f, err := os.OpenFile(m.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	_, err = f.Write([]byte{1})
	return m.N, err
})

// A chunkChaos is a loop over the results of chunks, on hosts of real pools that die and stop, with
// a server that is killed. What happens next is decided by a seed, and when by how many results
// there are.
type chunkChaos struct {
	tasks, kills, stops int
	servers             int // kills of the server; with each second one its store is lost
	chunk               int
}

// TestChaosWithChunks has each kind of chaos happen, a few times, or with SHMKIT_LONG=1 many times.
func TestChaosWithChunks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	c := chunkChaos{tasks: 6000, kills: 4, stops: 2, servers: 2, chunk: 16}
	if os.Getenv("SHMKIT_LONG") != "" {
		c = chunkChaos{tasks: 1_000_000, kills: 350, stops: 150, servers: 20, chunk: 16}
	}
	c.run(t)
}

func (c *chunkChaos) run(t *testing.T) {
	address, startServer, loseStore := cluster.StartStoringServer(t)
	server := startServer()
	//clock: the lease looks after what a host has not told of before its death
	k, err := cluster.New(t.Context(), cluster.Options{Servers: []string{address}, Lease: time.Second, HostAttempts: 1000})
	if err != nil {
		t.Fatal(err)
	}
	hosts := []*proctest.Child{serveAt(t, address, "host", 2), serveAt(t, address, "host", 2), serveAt(t, address, "host", 2)}
	awaitHosts(t, k, len(hosts))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	wiped := false
	heal := func() {}
	happens := func(step string) {
		heal()
		heal = func() {}
		n := random.IntN(len(hosts))
		switch h := hosts[n]; step {
		case "kill":
			h.Kill()
			hosts[n] = serveAt(t, address, "host", 2)
		case "stop":
			h.Signal(syscall.SIGSTOP)
			heal = func() { h.Signal(syscall.SIGCONT) }
		case "server":
			server.Kill()
			if wiped = !wiped; wiped {
				loseStore()
			}
			server = startServer()
		}
	}
	file := filepath.Join(t.TempDir(), "runs")
	c.loop(t, k, file, c.steps(random), happens)
	heal()
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	for _, h := range hosts {
		h.Kill()
	}
	server.Kill()
	c.compare(t, file)
}

// steps are what happens, in its order.
func (c *chunkChaos) steps(random *rand.Rand) (all []string) {
	for what, n := range map[string]int{"kill": c.kills, "stop": c.stops, "server": c.servers} {
		for range n {
			all = append(all, what)
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// loop maps all arguments, has the steps happen meanwhile, and checks that each result comes once.
func (c *chunkChaos) loop(t *testing.T, k *cluster.Cluster, file string, steps []string, happens func(string)) {
	seen := make([]int, c.tasks)
	got, next := 0, 0
	args := func(yield func(marked) bool) {
		for n := range int64(c.tasks) {
			if !yield(marked{n, file}) {
				return
			}
		}
	}
	for n, err := range pool.IMapUnordered(t.Context(), k.Pool, mark.With(pool.TaskOptions{Chunk: c.chunk}), args) {
		if err != nil {
			t.Fatal(err)
		}
		seen[n]++
		if got++; next < len(steps) && got == (next+1)*c.tasks/(len(steps)+1) {
			happens(steps[next])
			next++
		}
	}
	for n, times := range seen {
		if times != 1 {
			t.Errorf("argument %d: %d results", n, times)
		}
	}
}

// compare compares how often tasks ran with how many there were.
func (c *chunkChaos) compare(t *testing.T, file string) {
	ran, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	again := float64(ran.Size()-int64(c.tasks)) / float64(c.tasks)
	t.Logf("%d arguments ran %d times (%.2f %% again)", c.tasks, ran.Size(), 100*again)
	if again < 0 || again > 0.1 && os.Getenv("SHMKIT_LONG") != "" {
		t.Errorf("%.2f %% of them ran again: between 0 and 10 %%, in the long run", 100*again)
	}
}
