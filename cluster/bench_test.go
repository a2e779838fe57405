package cluster_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// The benchmarks have the server in a process of its own, as its peers have theirs, and two hosts
// with one worker each unless a row says otherwise.

var roleBenchServer = proctest.Register("bench server", func(args []string) {
	s, err := cluster.NewServer(context.Background(), cluster.ServerOptions{Dir: args[0]})
	proctest.ExitOn(err)
	proctest.Say("%s", s.Addr())
	proctest.Forever()
})

// benchServer starts a server, and returns its address and process.
func benchServer(b *testing.B) (address string, child *proctest.Child) {
	b.Helper()
	child = proctest.Start(b, roleBenchServer, b.TempDir())
	b.Cleanup(func() { child.Kill() })
	return child.Line(), child
}

// benchHosts makes a cluster with hosts at a server.
func benchHosts(b *testing.B, address string, hosts int) *cluster.Cluster {
	b.Helper()
	c, err := cluster.New(b.Context(), cluster.Options{Servers: []string{address}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	for i := range hosts {
		h := serveAt(b, address, fmt.Sprint("host", i), 1)
		b.Cleanup(func() { h.Kill() })
	}
	awaitHosts(b, c, hosts)
	if _, err := pool.Apply(b.Context(), c.Pool, square, 1); err != nil {
		b.Fatal(err)
	}
	return c
}

// report reports the median and the 99th percentile of latencies.
func report(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "p99-ns")
}

// oneByOne calls f one at a time.
func oneByOne(b *testing.B, f func() error) {
	var all []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(start))
	}
	report(b, all)
}

func BenchmarkClusterApply(b *testing.B) {
	b.Run("impl=shmkit", func(b *testing.B) {
		address, _ := benchServer(b)
		c := benchHosts(b, address, 2)
		oneByOne(b, func() error {
			_, err := pool.Apply(b.Context(), c.Pool, square, 3)
			return err
		})
	})
	b.Run("impl=core-request", func(b *testing.B) {
		address, _ := benchServer(b)
		peer := proctest.Start(b, roleResponder, address)
		b.Cleanup(func() { peer.Kill() })
		peer.Expect("ready")
		nc := connect(b, address)
		oneByOne(b, func() error {
			_, err := nc.RequestWithContext(b.Context(), "echo", []byte("12345678"))
			return err
		})
	})
	b.Run("impl=grpc", func(b *testing.B) {
		peer := proctest.Start(b, roleGRPC)
		b.Cleanup(func() { peer.Kill() })
		conn, err := grpc.NewClient(peer.Line(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		oneByOne(b, func() error {
			return conn.Invoke(b.Context(), "/bench/Echo", wrapperspb.Int64(3), new(wrapperspb.Int64Value))
		})
	})
	b.Run("impl=asynq", func(b *testing.B) {
		q := startAsynq(b)
		oneByOne(b, func() error {
			if _, err := q.client.Enqueue(asynq.NewTask("square", []byte("12345678"))); err != nil {
				return err
			}
			<-q.done
			return nil
		})
	})
}

const window = 256 // of tasks in flight

func BenchmarkClusterTasks(b *testing.B) {
	b.Run("chunk=1/inflight=256/impl=shmkit", func(b *testing.B) {
		address, _ := benchServer(b)
		benchMap(b, benchHosts(b, address, 2), 1)
	})
	b.Run("chunk=1/inflight=256/impl=raw-queue", benchRawQueue)
	b.Run("chunk=1/inflight=256/impl=asynq", func(b *testing.B) {
		q := startAsynq(b)
		b.ResetTimer()
		room := make(chan struct{}, window)
		go func() {
			for range b.N {
				<-q.done
				<-room
			}
		}()
		feed := make(chan struct{}, b.N)
		ended := make(chan error, 16)
		for range 16 { // it has no other way to submit many at once
			go func() {
				for range feed {
					room <- struct{}{}
					if _, err := q.client.Enqueue(asynq.NewTask("square", []byte("12345678"))); err != nil {
						ended <- err
						return
					}
				}
				ended <- nil
			}()
		}
		for range b.N {
			feed <- struct{}{}
		}
		close(feed)
		for range 16 {
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		}
		for range window { // all are done
			room <- struct{}{}
		}
		perSecond(b, b.N)
	})
	for name, chunk := range map[string]int{"64": 64, "auto": 0} {
		b.Run("chunk="+name+"/inflight=256/impl=shmkit", func(b *testing.B) {
			address, _ := benchServer(b)
			benchMap(b, benchHosts(b, address, 2), chunk)
		})
	}
}

func perSecond(b *testing.B, n int) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "args/s")
}

// benchMap runs b.N arguments, at most 256 chunks in flight.
func benchMap(b *testing.B, c *cluster.Cluster, chunk int) {
	t := square.With(pool.TaskOptions{Chunk: chunk})
	b.ResetTimer()
	if chunk == 1 {
		n := 0
		futures := make([]*pool.Future[int64], window)
		for i := range b.N {
			if f := futures[i%window]; f != nil {
				if _, err := f.Get(b.Context()); err != nil {
					b.Fatal(err)
				}
				n++
			}
			var err error
			if futures[i%window], err = pool.ApplyAsync(b.Context(), c.Pool, t, int64(i)); err != nil {
				b.Fatal(err)
			}
		}
		for _, f := range futures {
			if f != nil {
				if _, err := f.Get(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
	} else {
		args := make([]int64, b.N)
		if _, err := pool.Map(b.Context(), c.Pool, t, args); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, b.N)
}

func connect(b *testing.B, address string) *nats.Conn {
	b.Helper()
	nc, err := nats.Connect("nats://" + address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	return nc
}

var roleResponder = proctest.Register("bench responder", func(args []string) {
	nc, err := nats.Connect("nats://" + args[0])
	proctest.ExitOn(err)
	_, err = nc.Subscribe("echo", func(m *nats.Msg) { m.Respond(m.Data) })
	proctest.ExitOn(err)
	proctest.ExitOn(nc.Flush())
	proctest.Say("ready")
	proctest.Forever()
})

var roleRawConsumer = proctest.Register("bench consumer", func(args []string) {
	nc, err := nats.Connect("nats://" + args[0])
	proctest.ExitOn(err)
	js, err := jetstream.New(nc)
	proctest.ExitOn(err)
	c, err := js.Consumer(context.Background(), "RAW", "all")
	proctest.ExitOn(err)
	_, err = c.Consume(func(m jetstream.Msg) {
		m.Ack()
		nc.Publish("raw.done", nil)
	}, jetstream.PullMaxMessages(window))
	proctest.ExitOn(err)
	proctest.Say("ready")
	proctest.Forever()
})

// benchRawQueue is a queue of JetStream alone: publish, consume in another process, acknowledge.
func benchRawQueue(b *testing.B) {
	address, _ := benchServer(b)
	nc := connect(b, address)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(window))
	if err != nil {
		b.Fatal(err)
	}
	s, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "RAW", Subjects: []string{"raw.task"}, Retention: jetstream.WorkQueuePolicy, Duplicates: 100 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.CreateConsumer(b.Context(), jetstream.ConsumerConfig{Durable: "all", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 4096}); err != nil {
		b.Fatal(err)
	}
	room := make(chan struct{}, window)
	if _, err := nc.Subscribe("raw.done", func(*nats.Msg) { <-room }); err != nil {
		b.Fatal(err)
	}
	for range 2 {
		peer := proctest.Start(b, roleRawConsumer, address)
		b.Cleanup(func() { peer.Kill() })
		peer.Expect("ready")
	}
	data := make([]byte, 64)
	b.ResetTimer()
	for range b.N {
		room <- struct{}{}
		if _, err := js.PublishAsync("raw.task", data); err != nil {
			b.Fatal(err)
		}
	}
	for range window {
		room <- struct{}{}
	}
	perSecond(b, b.N)
}

// An echo is what the service of grpc does.
type echo interface{}

var roleGRPC = proctest.Register("bench grpc", func([]string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	proctest.ExitOn(err)
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "bench", HandlerType: (*echo)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			n := new(wrapperspb.Int64Value)
			if err := decode(n); err != nil {
				return nil, err
			}
			return wrapperspb.Int64(n.Value * n.Value), nil
		},
	}}}, struct{}{})
	proctest.Say("%s", l.Addr())
	proctest.ExitOn(s.Serve(l))
})

// An asynqQueue is a queue of asynq, with a worker in this process, which saves it the way back.
type asynqQueue struct {
	client *asynq.Client
	done   chan struct{}
}

func startAsynq(b *testing.B) *asynqQueue {
	b.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		b.Skip("redis-server is not installed")
	}
	socket := b.TempDir() + "/redis"
	redis := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", b.TempDir())
	if err := redis.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		redis.Process.Kill()
		redis.Wait()
	})
	proctest.Eventually(b, proctest.Hang, func() bool {
		_, err := os.Stat(socket)
		return err == nil
	}, "redis-server does not listen")
	at := asynq.RedisClientOpt{Network: "unix", Addr: socket}
	q := &asynqQueue{client: asynq.NewClient(at), done: make(chan struct{}, window)}
	s := asynq.NewServer(at, asynq.Config{Concurrency: 2, LogLevel: asynq.FatalLevel, Logger: quiet{log.New(io.Discard, "", 0)}})
	if err := s.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		q.done <- struct{}{}
		return nil
	})); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		s.Shutdown()
		q.client.Close()
	})
	return q
}

// quiet is a logger of asynq that says nothing.
type quiet struct{ *log.Logger }

func (q quiet) Debug(...any) {}
func (q quiet) Info(...any)  {}
func (q quiet) Warn(...any)  {}
func (q quiet) Error(...any) {}
func (q quiet) Fatal(...any) {}

// cpu is how much processor time a process has used, in ns.
func cpu(c *proctest.Child) float64 {
	s := proctest.Stat(c.PID())
	return float64(s.UTime+s.STime) * 1e7
}

func BenchmarkClusterHosts(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprint("hosts=", n), func(b *testing.B) {
			address, server := benchServer(b)
			c := benchHosts(b, address, n)
			before := cpu(server)
			benchMap(b, c, 1)
			b.ReportMetric((cpu(server)-before)/float64(b.N), "server-cpu-ns/task")
		})
	}
}

func BenchmarkClusterIdle(b *testing.B) {
	address, server := benchServer(b)
	c, err := cluster.New(b.Context(), cluster.Options{Servers: []string{address}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	host := serveAt(b, address, "host", 1)
	defer host.Kill()
	awaitHosts(b, c, 1)
	for b.Loop() {
		s, h := cpu(server), cpu(host)
		const span = 10 * time.Second
		time.Sleep(span) // it is what is measured
		b.ReportMetric((cpu(server)-s)*100/float64(span), "server-%")
		b.ReportMetric((cpu(host)-h)*100/float64(span), "host-%")
	}
}

func BenchmarkClusterHostKilled(b *testing.B) {
	address, _ := benchServer(b)
	c, err := cluster.New(b.Context(), cluster.Options{Servers: []string{address}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var all []time.Duration
	for b.Loop() {
		victim := serveAt(b, address, "victim", 1)
		awaitHosts(b, c, 1)
		f, err := pool.ApplyAsync(b.Context(), c.Pool, onHeir, 0)
		if err != nil {
			b.Fatal(err)
		}
		proctest.Eventually(b, proctest.Hang, func() bool { return c.Hosts()[0].Held == 1 }, "the task does not begin")
		heir := serveAt(b, address, "heir", 1)
		awaitHosts(b, c, 2)
		start := time.Now()
		victim.Kill()
		if _, err := f.Get(b.Context()); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(start))
		heir.Signal(15)
		heir.WaitOK()
		proctest.Eventually(b, proctest.Hang, func() bool { return len(c.Hosts()) == 0 }, "dead hosts stay")
	}
	report(b, all)
}

// onHeir returns at once on a host of that name.
var onHeir = pool.Define("on heir", func(ctx context.Context, _ int) (string, error) {
	name := os.Getenv("SHMKIT_BENCH_HOST")
	if !strings.Contains(name, "heir") {
		<-ctx.Done()
	}
	return name, nil
})
