package cluster

import (
	"maps"
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
