package cluster

import (
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
