package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/pool"
)

// Serve runs tasks of a queue on a pool of this machine, until ctx ends or this process gets a
// SIGTERM. Then it takes no more, gives back what no worker has begun, lets the rest finish for as
// long as ServeOptions.Grace, and returns when the callers have the results. It waits for the
// server until ctx ends, and comes back to it when the connection is lost.
//
// [pool.Main] must have been called, as for [pool.New].
//
// Errors: a bad option; a server that refuses this program; those of [pool.New]. The end of ctx and
// a SIGTERM are none.
func Serve(ctx context.Context, o ServeOptions) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	logs := &logSender{}
	defer logs.close()
	o.Pool.Log = &logHandler{out: logs, name: o.Name, also: o.Pool.Log}
	p, err := pool.New(context.WithoutCancel(ctx), o.Pool)
	if err != nil {
		return err
	}
	defer p.Terminate(0)
	a := access{servers: o.Servers, role: roleHost, name: "shmkit host " + o.Name, secret: o.Secret, credentials: o.Credentials, tls: o.TLS}
	nc, err := a.connect(ctx)
	if err != nil {
		if ctx.Err() != nil && !errors.Is(err, nats.ErrAuthorization) {
			return nil
		}
		return err
	}
	defer closeConn(nc)
	run := func(ctx context.Context, c engine.Call, done func(engine.Result)) (engine.Watch, error) {
		return engine.RunWatched(ctx, p, c, done)
	}
	h, err := newHost(&o, nc, len(p.Stats().Workers), known(), run, func() engine.Stats { return statsOf(p) })
	if err != nil {
		return err
	}
	logs.connected(nc, wire.Prefix+"l."+o.Queue+"."+h.id)
	slog.New(o.Pool.Log).Info("host serves", slog.String("queue", o.Queue), slog.Int("pid", os.Getpid()))
	h.o.hooks.point("serving", 0)
	if err := p.Join(ctx); ctx.Err() == nil { // the pool has failed
		h.stop()
		return fmt.Errorf("cluster: the pool of this host has ended: %w", err)
	}
	h.leave()
	return nil
}

// leave drains the host, and ends it.
func (h *host) leave() {
	drain, cancel := context.Background(), context.CancelFunc(func() {})
	if h.o.Grace > 0 {
		drain, cancel = context.WithTimeout(drain, h.o.Grace)
	}
	h.drain(drain)
	cancel()
	h.stop()
}

// closeConn closes a connection, and waits until its goroutines have ended.
func closeConn(nc *nats.Conn) {
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	nc.Close()
	<-closed
}

// statsOf are the statistics of a pool, as an engine has them.
func statsOf(p *pool.Pool) (s engine.Stats) {
	of := p.Stats()
	s.Running = of.Pending - of.Queued
	s.Killed, s.Recycled, s.Retried = of.Killed, of.Recycled, of.Retried
	s.Run = engine.Latency{P50: of.Run.P50, P99: of.Run.P99, Max: of.Run.Max, Samples: of.Run.Samples}
	for _, w := range of.Workers {
		s.Workers = append(s.Workers, engine.WorkerStats{Name: w.Name, PID: w.PID, Tasks: w.Tasks, Restarts: w.Restarts, CPU: w.CPU, Memory: w.Memory})
	}
	return s
}
