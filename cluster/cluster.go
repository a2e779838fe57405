package cluster

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/pool"
)

// A Cluster is a pool; its tasks run on the hosts that [Serve] the same queue. c.Pool goes to
// [pool.Map] and the like. It may be used by any number of goroutines.
type Cluster struct {
	*pool.Pool
	o      Options
	server *Server // nil: it is elsewhere
	nc     *nats.Conn
	caller *caller
	closed sync.Once
	err    error
}

// New makes a pool that runs its tasks on other hosts. Without Options.Servers it starts a server
// in this process. It waits for the server, and for Options.MinHosts hosts, until ctx ends. When
// ctx ends later, the pool is terminated as by [pool.Pool.Terminate]; [Cluster.Close] must be
// called all the same.
//
// Errors: a bad option; an address that other machines can reach, without a Secret or TLS;
// [ErrNoHosts]; a server that refuses this program, or cannot be reached; those of [pool.New].
func New(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	c := &Cluster{o: o}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(err, c.shut())
	}
	c.Pool, err = engine.New[*pool.Pool](ctx, o.Pool, c.start)
	if err != nil {
		return nil, errors.Join(err, c.shut())
	}
	return c, nil
}

// open starts the server, if it is here, and connects to it.
func (c *Cluster) open(ctx context.Context) (err error) {
	o := &c.o
	a := access{servers: o.Servers, role: roleCaller, name: "shmkit caller", secret: o.Secret, credentials: o.Credentials, tls: o.TLS}
	if len(o.Servers) == 0 {
		// It outlives ctx: what ends then is told to the hosts by it.
		c.server, err = NewServer(context.WithoutCancel(ctx), ServerOptions{Listen: o.Listen, Secret: o.Secret, TLS: o.TLS, Dir: o.Dir})
		if err != nil {
			return err
		}
		a.local, a.servers = c.server, []string{c.server.Addr()}
	}
	c.nc, err = a.connect(ctx)
	return err
}

// start starts the caller, for the pool.
func (c *Cluster) start(ctx context.Context, deliver engine.Deliver) (engine.Engine, error) {
	k, err := newCaller(ctx, &c.o, c.nc, deliver)
	if err != nil {
		return nil, err
	}
	if err := k.awaitHosts(ctx, c.o.MinHosts); err != nil {
		k.stop()
		return nil, err
	}
	c.caller = k
	return k, nil
}

// Addr is the address that hosts connect to, as host:port, when the server is in this process; else
// it is empty.
func (c *Cluster) Addr() string {
	if c.server == nil {
		return ""
	}
	return c.server.Addr()
}

// WaitHosts waits until n hosts serve the queue, or ctx ends. A call of [pool.Map] or [pool.IMap]
// makes its chunks, and the number of tasks that it has on their way, for the hosts that are there
// when it begins.
//
// Errors: [ErrNoHosts], with the hosts that are there and the cause of the end of ctx.
func (c *Cluster) WaitHosts(ctx context.Context, n int) error { return c.caller.awaitHosts(ctx, n) }

// Close closes the pool, as [pool.Pool.Close] does: it lets all tasks finish. It then leaves the
// cluster, and ends the server in this process. No port, file or goroutine is left. Terminate comes
// before Close for an end at once.
//
// Errors: those of [pool.Pool.Close]; of removing the files of the server.
func (c *Cluster) Close() error { return errors.Join(c.Pool.Close(), c.shut()) }

// shut ends what is below the pool.
func (c *Cluster) shut() error {
	c.closed.Do(func() {
		if c.nc != nil {
			closeConn(c.nc)
		}
		if c.server != nil {
			c.err = c.server.Close()
		}
	})
	return c.err
}
