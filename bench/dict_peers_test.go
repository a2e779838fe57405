//go:build linux

package bench

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// benchDictPeers runs the programs of other languages. They print how long an operation takes.
func benchDictPeers(b *testing.B, ps *peers, c dictCase) {
	if c.zipf {
		return // the programs draw keys uniformly
	}
	args := func(ops int, more ...string) []string {
		kind := map[bool]string{false: "8", true: "32"}[c.long]
		return append([]string{kind, strconv.Itoa(c.keys), strconv.Itoa(ops), strconv.Itoa(c.procs), strconv.Itoa(100 - c.reads)}, more...)
	}
	b.Run("impl=boost", func(b *testing.B) {
		reportPeer(b, runPeer(b, ps.boost(b, "dict"), args(1_000_000)...), c)
	})
	b.Run("impl=lmdb", func(b *testing.B) {
		program := ps.library(b, "dict_lmdb", "lmdb.h", "-llmdb")
		reportPeer(b, runPeer(b, program, args(200_000, proctest.Dir(b))...), c)
	})
	b.Run("impl=redis", func(b *testing.B) {
		program := ps.c(b, "dict_redis")
		reportPeer(b, runPeer(b, program, args(20_000, startRedis(b))...), c)
	})
	b.Run("impl=python-manager", func(b *testing.B) {
		c := c
		c.keys = min(c.keys, 100_000) // loading takes too long otherwise
		reportPeer(b, runPeer(b, ps.python(b), append([]string{"-B", filepath.Join("peers", "dict.py")}, args(5_000)...)...), c)
	})
}

// reportPeer takes what a peer prints: nanoseconds of an operation of each process.
func reportPeer(b *testing.B, lines []string, c dictCase) {
	ns, err := strconv.ParseFloat(strings.Fields(lines[0])[0], 64)
	if err != nil || math.IsNaN(ns) {
		b.Fatalf("the peer printed %q", lines)
	}
	b.ReportMetric(ns/float64(c.procs), "ns/op")
}

// startRedis starts a server that keeps nothing on disk, and returns the path of its socket. The
// server ends with the row.
func startRedis(b *testing.B) string {
	b.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		missing(b, "redis-server: %v", err)
	}
	dir := b.TempDir()
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := proctest.StartBound(cmd); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // the error is that it was killed
	})
	proctest.Eventually(b, time.Minute, func() bool {
		_, err := os.Stat(socket)
		return err == nil
	}, "redis does not listen")
	return socket
}
