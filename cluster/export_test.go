package cluster

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// ThreeServers starts three servers that keep queues together.
func ThreeServers(t *testing.T) (addresses []string, servers []*proctest.Child) {
	options, servers := threeServers(t)
	for _, o := range options {
		addresses = append(addresses, o.Listen)
	}
	return addresses, servers
}

// LastLines are the last records of the logs of the hosts.
func LastLines(c *Cluster) []string {
	c.caller.mu.Lock()
	defer c.caller.mu.Unlock()
	return slices.Collect(maps.Values(c.caller.logLines))
}

// StartStoringServer starts a server in a process of its own, at an address that no other process
// takes. It stores queues in a directory, of which lose removes what is stored.
func StartStoringServer(t *testing.T) (address string, start func() *proctest.Child, lose func()) {
	o := ServerOptions{Listen: freeAddr(t), Dir: t.TempDir()}
	start = func() *proctest.Child {
		s := startServerProcess(t, o)
		s.Expect("ready")
		return s
	}
	return o.Listen, start, func() {
		if err := os.RemoveAll(filepath.Join(o.Dir, "jetstream")); err != nil {
			t.Fatal(err)
		}
	}
}

// FreeAddr is an address that no program listens on, and no other process takes.
func FreeAddr(t testing.TB) string { return freeAddr(t) }
