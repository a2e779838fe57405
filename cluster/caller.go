package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/pool"
)

// A caller is the side of a cluster that has tasks: the engine of a pool. Its ledger has each task
// from its submission to its result; see package wire.
type caller struct {
	o       *Options
	id      string // random
	nc      *nats.Conn
	q       *queue
	deliver engine.Deliver
	inbox   string // where the server acknowledges tasks, followed by their ids
	subs    []*nats.Subscription
	alive   context.Context
	end     context.CancelFunc
	loops   sync.WaitGroup
	wake    chan struct{} // has room for one: reconcile now

	mu       sync.Mutex
	changed  sync.Cond // of mu: entries or hosts have changed
	entries  map[uint64]*entry
	unacked  int  // entries that are published and not acknowledged
	dropped  bool // no host begins a task any more
	hosts    map[string]*hostState
	classes  map[string]bool   // classes that have a consumer; classAny is not among them
	created  time.Time         // when the stream was made
	since    time.Time         // when the connection was made; zero: there is none
	logLines map[string]string // last record of the log of each host

	counts counts
}

// counts are what tests and statistics ask for.
type counts struct{ doubled, resubmitted, givenBack, lost atomic.Int64 }

// An entry is one task in the ledger. Guarded by caller.mu.
type entry struct {
	task      wire.Task
	message   []byte // as it travels
	class     string
	acked     bool
	published time.Time
	known     time.Time // when the server or a host has last shown that it has the task
	seq       uint64    // in the stream, once it is acknowledged
	holder    string    // id of the host that has it; empty: none is known
	reply     string    // takes the acknowledgement of its delivery
	delivered int       // the number of that delivery
	lost      []string  // ids of hosts that were lost while they had it
	cancelled bool
	fetching  bool // its result is being fetched in pieces
}

// A hostState is what a caller knows of a host. Guarded by caller.mu.
type hostState struct {
	life    wire.Life
	set     string
	seen    time.Time
	probing bool // a request is on its way that tells whether it is there
	lost    bool // it was taken for lost, and may come again
}

// newCaller makes a caller on a connection, which stays the maker's, and starts it.
func newCaller(ctx context.Context, o *Options, nc *nats.Conn, deliver engine.Deliver) (*caller, error) {
	q, err := newQueue(nc, o)
	if err != nil {
		return nil, err
	}
	c := &caller{o: o, id: nuid.Next(), nc: nc, q: q, deliver: deliver, inbox: nats.NewInbox(), wake: make(chan struct{}, 1),
		entries: map[uint64]*entry{}, hosts: map[string]*hostState{}, classes: map[string]bool{}, logLines: map[string]string{}, since: time.Now()}
	c.changed.L = &c.mu
	c.alive, c.end = context.WithCancel(context.Background())
	if c.created, err = q.make(ctx); err != nil {
		return nil, err
	}
	if err := c.subscribe(); err != nil {
		c.stop()
		return nil, err
	}
	nc.SetDisconnectErrHandler(func(*nats.Conn, error) { c.connection(false) })
	nc.SetReconnectHandler(func(*nats.Conn) { c.connection(true) })
	for _, loop := range []func(){c.watch, c.reconcile, c.live} {
		c.loops.Go(loop)
	}
	return c, nil
}

func (c *caller) subscribe() error {
	for subject, f := range map[string]nats.MsgHandler{
		wire.Prefix + "r." + c.id:             c.results,
		wire.Prefix + "k." + c.id:             c.heldBy,
		wire.Prefix + "g." + c.id:             c.givePiece,
		wire.Prefix + "a." + c.o.Queue + ".*": c.lifeOf,
		c.inbox + ".*":                        c.acknowledged,
		wire.Prefix + "l." + c.o.Queue + ".*": c.lastLine,
	} {
		s, err := c.nc.Subscribe(subject, f)
		if err != nil {
			return fmt.Errorf("cluster: subscribe: %w", err)
		}
		c.subs = append(c.subs, s)
		if err := s.SetPendingLimits(-1, -1); err != nil {
			return fmt.Errorf("cluster: subscribe: %w", err)
		}
	}
	return c.nc.Flush()
}

// spawn calls f on a goroutine that stop waits for. c.mu is held.
func (c *caller) spawn(f func()) {
	if c.alive.Err() == nil {
		c.loops.Go(f)
	}
}

// stop ends what the caller does on its own.
func (c *caller) stop() {
	c.mu.Lock()
	c.end()
	c.changed.Broadcast()
	c.mu.Unlock()
	for _, s := range c.subs {
		s.Unsubscribe() // an error means that the connection is closed
	}
	c.nc.SetReconnectHandler(nil)
	c.nc.SetDisconnectErrHandler(nil)
	c.loops.Wait()
}

// awaitHosts waits for n hosts.
func (c *caller) awaitHosts(ctx context.Context, n int) error {
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var names []string
		for _, h := range c.liveHosts() {
			names = append(names, h.life.Name)
		}
		switch {
		case len(names) >= n:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %d of %d are there (%s): %w", ErrNoHosts, len(names), n, strings.Join(names, ", "), context.Cause(ctx))
		}
		c.changed.Wait()
	}
}

// liveHosts are those that take tasks. c.mu is held.
func (c *caller) liveHosts() (all []*hostState) {
	for _, h := range c.hosts {
		if !h.lost && !h.life.Leaving {
			all = append(all, h)
		}
	}
	return all
}

// maxUnacked is how many tasks may be on their way to the server.
const maxUnacked = 1 << 12

// Submit implements [engine.Engine].
func (c *caller) Submit(call engine.Call) error {
	t := wire.Task{
		Client: c.id, ID: call.ID, Name: call.Task, Signature: call.Signature, Count: call.Count, Soft: call.SoftDeadline, Hard: call.HardDeadline,
		Deaf: call.Deaf, Attempts: call.Attempts, Kills: call.Kills, Carry: call.Carry, Size: len(call.Arg), Nil: call.Arg == nil, Arg: call.Arg,
	}
	e := &entry{task: t}
	e.message = wire.AppendTask(make([]byte, 0, min(len(call.Arg), wire.Inline)+len(t.Name)+128), &t)
	if e.task.Arg = nil; t.Size > wire.Inline {
		e.task.Arg = slices.Clone(call.Arg)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.unacked >= maxUnacked && c.alive.Err() == nil {
		c.changed.Wait()
	}
	if c.alive.Err() != nil {
		return pool.ErrClosed
	}
	var err error
	if e.class, err = c.classFor(&e.task); err != nil {
		return err
	}
	c.entries[t.ID] = e
	c.unacked++
	c.publish(e)
	return nil
}

// publish sends a task to the stream. c.mu is held, and its entry is not acknowledged.
func (c *caller) publish(e *entry) {
	e.published = time.Now()
	e.known = e.published
	reply := c.inbox + "." + strconv.FormatUint(e.task.ID, 36)
	// An error lasts as long as a disconnection: reconcile sends the task again.
	_ = c.nc.PublishRequest(subjectOf(c.o.Queue, e.class, c.id), reply, e.message)
}

// again publishes a task again after the loss of its message. c.mu is held.
func (c *caller) again(e *entry) {
	if e.acked {
		e.acked = false
		c.unacked++
	}
	e.holder, e.reply, e.delivered = "", "", 0
	c.counts.resubmitted.Add(1)
	c.publish(e)
}

// remove takes an entry off the ledger. c.mu is held.
func (c *caller) remove(e *entry) {
	if !e.acked {
		c.unacked--
	}
	delete(c.entries, e.task.ID)
	c.changed.Broadcast()
}

// finish ends a task with an error of the cluster's. c.mu is held.
func (c *caller) finish(e *entry, err error) {
	c.remove(e)
	if e.holder == "" && e.acked {
		c.deleteMessage(e.seq)
	}
	id := e.task.ID
	c.spawn(func() { c.deliver(engine.Result{ID: id, Err: err}) })
}

// deleteMessage takes a message out of the stream, if it can.
func (c *caller) deleteMessage(seq uint64) {
	c.nc.Publish("$JS.API.STREAM.MSG.DELETE."+streamOf(c.o.Queue), []byte(`{"no_erase":true,"seq":`+strconv.FormatUint(seq, 10)+`}`))
}

// classFor chooses the class of a task: all hosts, or a set of hosts that can run it. c.mu is held.
func (c *caller) classFor(t *wire.Task) (string, error) {
	live := c.liveHosts()
	if len(live) == 0 {
		if len(c.o.Tags) == 0 {
			return classAny, nil
		}
		return classAny, nil // the host that takes it says if it lacks the tags
	}
	able := map[string]int{} // workers by set
	every, differs := true, false
	for _, h := range live {
		can := c.hasTags(&h.life)
		if can {
			known := false
			for _, s := range h.life.Tasks {
				if s.Name == t.Name {
					known = t.Signature == s.Hash || t.Signature == 0
					differs = differs || !known
				}
			}
			can = known
		}
		if can {
			able[h.set] += max(h.life.Workers, 1)
		} else {
			every = false
		}
	}
	if every {
		return classAny, nil
	}
	var best string
	for set, workers := range able {
		if best == "" || workers > able[best] || workers == able[best] && set < best {
			best = set
		}
	}
	if best == "" {
		err := &UnknownTaskError{Task: t.Name, Differs: differs}
		for _, h := range live {
			err.Hosts = append(err.Hosts, h.life.Name)
		}
		return "", err
	}
	return best, c.needConsumer(best)
}

// needConsumer makes the consumer of a set, once. c.mu is held, and released meanwhile.
func (c *caller) needConsumer(set string) error {
	if c.classes[set] {
		return nil
	}
	c.mu.Unlock()
	err := c.q.consumer(c.alive, set)
	c.mu.Lock()
	if err != nil {
		return fmt.Errorf("cluster: make the queue of a set of hosts: %w", err)
	}
	c.classes[set] = true
	return nil
}

func (c *caller) hasTags(l *wire.Life) bool {
	for _, t := range c.o.Tags {
		if !slices.Contains(l.Tags, t) {
			return false
		}
	}
	return true
}

// Cancel implements [engine.Engine].
func (c *caller) Cancel(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[id]
	if e == nil || e.cancelled {
		return
	}
	e.cancelled = true
	to := "all"
	if e.holder != "" {
		to = e.holder
	}
	c.order(to, &wire.Cancel{Client: c.id, IDs: []uint64{id}})
	if e.holder == "" && e.acked { // it lies in the queue, or is on its way to a host
		c.finish(e, context.Canceled)
	}
}

// order sends an order to a host, or to all.
func (c *caller) order(host string, o *wire.Cancel) {
	c.nc.Publish(wire.Prefix+"x."+c.o.Queue+"."+host, wire.AppendCancel(nil, o))
}

// Close implements [engine.Engine].
func (c *caller) Close(ctx context.Context, abandon bool, grace time.Duration) {
	if abandon {
		c.order("all", &wire.Cancel{Client: c.id, All: true, Grace: grace})
		purge, cancel := context.WithTimeout(ctx, requestTimeout)
		if s, err := c.q.js.Stream(purge, streamOf(c.o.Queue)); err == nil {
			c.mu.Lock()
			classes := []string{classAny}
			for class := range c.classes {
				classes = append(classes, class)
			}
			c.mu.Unlock()
			for _, class := range classes {
				s.Purge(purge, jetstream.WithPurgeSubject(subjectOf(c.o.Queue, class, c.id)))
			}
		}
		cancel()
	} else {
		stop := context.AfterFunc(ctx, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.changed.Broadcast()
		})
		c.mu.Lock()
		for len(c.entries) > 0 && ctx.Err() == nil {
			c.changed.Wait()
		}
		c.mu.Unlock()
		stop()
	}
	c.nc.FlushTimeout(requestTimeout)
	c.stop()
}

// Capacity implements [engine.Engine].
func (c *caller) Capacity() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, h := range c.liveHosts() {
		if c.hasTags(&h.life) {
			n += h.life.Workers
		}
	}
	return max(n, 1)
}

// Overhead implements [engine.Engine]: what the programs on both sides and the server do for one
// task among many.
func (c *caller) Overhead() time.Duration { return 100 * time.Microsecond }

// errorOf is the error that a host tells of.
func (c *caller) errorOf(e *wire.Task, t *wire.Trouble) error {
	switch {
	case t == nil:
		return nil
	case t.Died != nil:
		d := t.Died
		return &pool.WorkerDiedError{Task: e.Name, Attempts: d.Attempts, Worker: d.Worker, PID: d.PID, ExitCode: d.ExitCode, Signal: d.Signal, Stderr: d.Stderr}
	case t.Late != nil:
		return &pool.DeadlineError{Task: e.Name, Limit: t.Late.Limit, Stack: t.Late.Stack}
	case t.Cancelled:
		return context.Canceled
	case t.Dropped:
		return pool.ErrClosed
	}
	return errors.New(t.Text)
}
