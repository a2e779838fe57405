package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/internal/pooltest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A conforming is a host of a pool that conforms to package pooltest.
type conforming struct {
	Servers     []string
	Queue, Name string
	Pool        pooltest.Options
}

var roleConforming = proctest.Register("conforming host", func(args []string) {
	var h conforming
	proctest.ExitOn(json.Unmarshal([]byte(args[0]), &h))
	proctest.ExitOn(cluster.Serve(context.Background(), cluster.ServeOptions{Servers: h.Servers, Queue: h.Queue, Name: h.Name, Pool: h.Pool.Pool()}))
})

// onHosts is the kind of pool that runs its tasks on so many hosts. Without options.Servers it has
// a server of its own.
func onHosts(hosts int, options cluster.Options) pooltest.Kind {
	queues := 0
	return pooltest.Kind{Elsewhere: true, NoRestart: true, New: func(t *testing.T, o pooltest.Options) *pool.Pool {
		queues++
		options := options
		options.Queue, options.Pool = fmt.Sprint("queue", queues), o.Pool()
		c, err := cluster.New(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		servers := options.Servers
		if len(servers) == 0 {
			servers = []string{c.Addr()}
		}
		each := o
		each.Workers = o.Workers / hosts
		var all []*proctest.Child
		for i := range hosts {
			b, err := json.Marshal(conforming{servers, options.Queue, fmt.Sprint("host", i), each})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, proctest.Start(t, roleConforming, string(b)))
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
		return c.Pool
	}}
}

// A pool on hosts does what every pool does.
func TestPoolOnHostsBehavesAsOneOnThisMachine(t *testing.T) {
	t.Run("one host", func(t *testing.T) { pooltest.Run(t, onHosts(1, cluster.Options{})) })
	t.Run("two hosts", func(t *testing.T) {
		if testing.Short() {
			t.Skip("it takes a minute")
		}
		pooltest.Run(t, onHosts(2, cluster.Options{}))
	})
	t.Run("three servers", func(t *testing.T) {
		if testing.Short() {
			t.Skip("it takes a minute")
		}
		addresses, servers := cluster.ThreeServers(t)
		pooltest.Run(t, onHosts(2, cluster.Options{Servers: addresses, Replicas: 3}))
		for _, s := range servers {
			s.Kill()
		}
	})
}
