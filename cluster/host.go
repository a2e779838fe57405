package cluster

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/engine"
)

// A runner puts a task into the pool of a host: [engine.RunWatched] with its pool.
type runner func(ctx context.Context, c engine.Call, done func(engine.Result)) (engine.Watch, error)

// A host takes tasks of a queue and has a runner run them.
type host struct {
	o       *ServeOptions
	id      string // random, new at each start
	nc      *nats.Conn
	run     runner
	workers int
	tasks   []wire.Signature
	stats   func() engine.Stats
	set     string
	acks    string // inbox of confirmations, followed by the numbers of batches

	base  context.Context // of all tasks
	abort context.CancelCauseFunc
	alive context.Context // of the host's own loops
	end   context.CancelFunc
	loops sync.WaitGroup
	subs  []*nats.Subscription

	mu      sync.Mutex
	changed sync.Cond // of mu: todo, held or fed have changed
	held    map[key]*held
	todo    []*held // that wait for a worker, in their order
	fed     int     // that the pool has
	sent    int     // held tasks that are done
	clients map[string]*clientState
	pulls   []*puller
	batches map[uint64]*batch // results that are not confirmed
	batchNo uint64
	each    time.Duration // how long a task takes; 0: none has ended yet
	stuck   int           // workers that run long tasks, as of the last beat
	trip    time.Duration // how long a message to a caller and back takes
	leaving bool
	telling bool // a timer is set, after which callers are told of tasks

	resultsMu sync.Mutex
	results   []*held // that are done
	ready     chan struct{}
	told      atomic.Bool // callers are to be told of tasks
}

// A key names a task among those of all callers.
type key struct {
	client string
	id     uint64
}

// held is a task that a host has. Guarded by host.mu.
type held struct {
	key       key
	task      wire.Task
	replies   []string // take the acknowledgement of each delivery
	delivered int
	since     time.Time
	ctx       context.Context
	cancel    context.CancelCauseFunc
	begun     time.Time // since then the pool has it; zero: it does not
	// tells whether a worker has begun it; nil: the pool does not have it yet
	watch   engine.Watch
	result  wire.Result
	bytes   []byte // of a large result
	done    bool
	dropped bool
}

// A clientState is what a host knows of a caller. Guarded by host.mu.
type clientState struct {
	seen    time.Time
	missing time.Time // since then the server says that it is not there; zero: it does not
	silent  time.Time // since then it has not answered; zero: it has
	asking  bool
	// no task of it begins any more
	dropping bool
	tell     []*held // that it is to be told of
}

// newHost makes a host on a connection, which stays the maker's, and starts it.
func newHost(o *ServeOptions, nc *nats.Conn, workers int, tasks []wire.Signature, run runner, stats func() engine.Stats) (*host, error) {
	h := &host{o: o, id: nuid.Next(), nc: nc, run: run, workers: max(workers, 1), tasks: tasks, stats: stats, acks: nats.NewInbox(),
		held: map[key]*held{}, clients: map[string]*clientState{}, batches: map[uint64]*batch{}, ready: make(chan struct{}, 1), trip: time.Millisecond}
	h.changed.L = &h.mu
	h.base, h.abort = context.WithCancelCause(context.Background())
	h.alive, h.end = context.WithCancel(context.Background())
	life := h.life()
	h.set = life.Set()
	h.pulls = []*puller{newPuller(h, classAny), newPuller(h, h.set)}
	subjects := map[string]nats.MsgHandler{
		h.acks + ".*": h.confirmed,
		wire.Prefix + "x." + o.Queue + "." + h.id: h.ordered,
		wire.Prefix + "x." + o.Queue + ".all":     h.ordered,
		wire.Prefix + "g." + h.id:                 h.givePiece,
		wire.Prefix + "c." + o.Queue + ".*":       h.clientLives,
		wire.Prefix + "s." + o.Queue:              h.giveStats,
	}
	for _, p := range h.pulls {
		subjects[p.inbox+".*"] = p.receive
	}
	for subject, f := range subjects {
		s, err := nc.Subscribe(subject, f)
		if err != nil {
			h.stop()
			return nil, fmt.Errorf("cluster: subscribe: %w", err)
		}
		h.subs = append(h.subs, s)
		if err := s.SetPendingLimits(-1, -1); err != nil {
			h.stop()
			return nil, fmt.Errorf("cluster: subscribe: %w", err)
		}
	}
	nc.SetReconnectHandler(func(*nats.Conn) {
		for _, p := range h.pulls {
			p.reset()
		}
		h.pull()
	})
	for _, loop := range []func(){h.feed, h.send, h.beat} {
		h.loops.Go(loop)
	}
	h.pull()
	return h, nc.Flush()
}

// life is the host's sign of life.
func (h *host) life() wire.Life {
	h.mu.Lock()
	defer h.mu.Unlock()
	return wire.Life{Host: h.id, Name: h.o.Name, PID: os.Getpid(), Build: build(), Workers: h.workers, Held: len(h.held), Leaving: h.leaving, Tags: h.o.Tags, Tasks: h.tasks}
}

// build names the version of this program.
var build = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
})

// spawn calls f on a goroutine that stop waits for. h.mu is held.
func (h *host) spawn(f func()) {
	if h.alive.Err() == nil {
		h.loops.Go(f)
	}
}

// stop ends all, without regard to what it holds.
func (h *host) stop() {
	h.abort(context.Canceled)
	h.mu.Lock()
	h.end()
	h.changed.Broadcast()
	h.mu.Unlock()
	h.nc.SetReconnectHandler(nil)
	for _, s := range h.subs {
		s.Unsubscribe() // an error means that the connection is closed
	}
	h.loops.Wait()
}

// drain lets the tasks that the pool has finish, gives the others back, and returns when the
// callers have all results, or ctx ends.
func (h *host) drain(ctx context.Context) {
	h.mu.Lock()
	h.leaving = true
	var back []*held
	for _, t := range h.held {
		if t.begun.IsZero() && !t.done {
			back = append(back, t)
		}
	}
	h.giveBack(back)
	h.mu.Unlock()
	h.tellLife()
	h.o.hooks.point("draining", 0)
	defer context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changed.Broadcast()
	})()
	h.mu.Lock()
	for len(h.held) > 0 && ctx.Err() == nil {
		h.changed.Wait()
	}
	h.mu.Unlock()
	if h.nc.IsConnected() { // otherwise the server may be gone for good
		h.nc.FlushTimeout(requestTimeout)
	}
}

// giveBack lets other hosts have tasks that have not begun, and says so to their callers. h.mu is
// held.
func (h *host) giveBack(all []*held) {
	for _, t := range all {
		back := wire.Held{Host: h.id, Items: []wire.HeldItem{{ID: t.key.id, Delivered: t.delivered}}}
		h.nc.Publish(wire.Prefix+"k."+t.key.client, wire.AppendHeld(nil, &back))
		h.answer(t, "-NAK")
	}
}

// drop forgets a task. h.mu is held.
func (h *host) drop(t *held) {
	if t.dropped {
		return
	}
	t.dropped = true
	t.cancel(nil)
	if t.done {
		h.sent--
	}
	if h.held[t.key] == t {
		delete(h.held, t.key)
	}
	h.changed.Broadcast()
}

// answer says what becomes of all deliveries of a task, and forgets it. h.mu is held.
func (h *host) answer(t *held, how string) {
	for _, reply := range t.replies {
		h.nc.Publish(reply, []byte(how))
	}
	h.drop(t)
}

// client is the state of a caller. h.mu is held.
func (h *host) client(id string) *clientState {
	c := h.clients[id]
	if c == nil {
		c = &clientState{seen: time.Now()}
		h.clients[id] = c
	}
	return c
}
