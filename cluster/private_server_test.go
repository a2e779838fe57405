package cluster_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// tellEnd notes in a file that it runs, and that its context has ended, for which it waits.
var tellEnd = pool.Define("tell end", func(ctx context.Context, file string) (int, error) {
	if err := os.WriteFile(file, []byte("runs"), 0o600); err != nil {
		return 0, err
	}
	<-ctx.Done()
	return 0, os.WriteFile(file, []byte("ended"), 0o600)
})

// rolePrivate has a server of its own at args[0], in its memory, and a task that runs until its
// context ends and notes that in the file args[1].
var rolePrivate = proctest.Register("private server", func(args []string) {
	c, err := cluster.New(context.Background(), cluster.Options{Listen: args[0]})
	proctest.ExitOn(err)
	_, err = pool.ApplyAsync(context.Background(), c.Pool, tellEnd, args[1])
	proctest.ExitOn(err)
	proctest.Say("submitted")
	proctest.Forever()
})

// The memory of a server dies with its caller. A host outlives both: it serves the caller that has
// the address next, and ends the tasks of the one before.
func TestHostOutlivesCallerWithServerInItsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a caller that is away counts as dead after some seconds")
	}
	address := cluster.FreeAddr(t)
	file := filepath.Join(t.TempDir(), "state")
	noted := func(state string) {
		t.Helper()
		proctest.Eventually(t, proctest.Hang, func() bool {
			b, err := os.ReadFile(file)
			return err == nil && strings.TrimSpace(string(b)) == state
		}, "the task notes that it "+state)
	}
	first := proctest.Start(t, rolePrivate, address, file)
	first.Expect("submitted")
	host := serveAt(t, address, "host", 2)
	noted("runs")
	first.Kill()
	c, err := cluster.New(t.Context(), cluster.Options{Listen: address})
	if err != nil {
		t.Fatal(err)
	}
	awaitHosts(t, c, 1)
	if n, err := pool.Apply(t.Context(), c.Pool, square, 12); n != 144 || err != nil {
		t.Errorf("a task of the next caller: %d, %v", n, err)
	}
	noted("ended")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	host.Kill()
}
