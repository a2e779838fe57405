package cluster

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// benchQueue starts a server in a process of its own.
func benchQueue(b *testing.B) (o ServerOptions, server *proctest.Child, c *testCaller) {
	b.Helper()
	o = ServerOptions{Listen: freeAddr(b), Dir: b.TempDir()}
	server = startServerProcess(b, o)
	server.Expect("ready")
	c = startCaller(b, o.Listen, Options{})
	return o, server, c
}

// BenchmarkClusterDepth hands out tasks of a queue that many wait in. The time is that of 1,000 of
// them.
func BenchmarkClusterDepth(b *testing.B) {
	for name, depth := range map[string]int{"1k": 1_000, "1M": 1_000_000} {
		b.Run("depth="+name, func(b *testing.B) {
			if depth > 10_000 && os.Getenv("SHMKIT_LONG") == "" {
				b.Skip("it takes a gigabyte; set SHMKIT_LONG=1")
			}
			const some = 1_000
			_, server, c := benchQueue(b)
			ids := c.submit(depth+some*b.N, "echo")
			c.isAcknowledged()
			b.ResetTimer()
			h := startHost(b, hostArgs{Server: c.o.Servers[0], Name: "host", Workers: 2})
			c.has(ids[:some*b.N])
			b.StopTimer()
			memory := proctest.Stat(server.PID()).ResidentMemory()
			b.ReportMetric(float64(some*b.N)/b.Elapsed().Seconds(), "tasks/s")
			b.ReportMetric(float64(memory)/1e6, "server-MB")
			h.Kill()
			server.Kill()
		})
	}
}

// BenchmarkClusterServerKilled kills the server while tasks wait, and measures the time to the
// first result after that.
func BenchmarkClusterServerKilled(b *testing.B) {
	const waiting = 10_000
	o, server, c := benchQueue(b)
	var all []time.Duration
	for b.Loop() {
		ids := c.submit(waiting, "echo")
		c.isAcknowledged()
		start := time.Now()
		server.Kill()
		server = startServerProcess(b, o)
		h := startHost(b, hostArgs{Server: o.Listen, Name: "host", Workers: 2})
		c.has(ids[:1])
		all = append(all, time.Since(start))
		c.has(ids)
		h.Kill()
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "p99-ns")
	server.Kill()
}

// isAcknowledged waits until the server has all tasks.
func (c *testCaller) isAcknowledged() {
	c.t.Helper()
	proctest.Eventually(c.t, 5*proctest.Hang, func() bool {
		c.caller.mu.Lock()
		defer c.caller.mu.Unlock()
		return c.unacked == 0
	}, "the server does not acknowledge all tasks")
}
