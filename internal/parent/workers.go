package parent

import (
	"log/slog"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// workers are the workers of a pool, as the parent sees them. They are guarded by Pool.mu. Methods
// that take Pool.mu themselves say so.
type workers struct {
	p        *Pool
	children []*supervisor // by number
	size     int           // how many there shall be
	asleep   int           // how many have ended because there was nothing to do
	waiting  int           // how many must be ready for New to return
}

// Resize changes how many workers there are, from 1 to [tasktable.MaxWorkers]. It does not block.
//
// Errors: [task.ErrClosed]; [engine.ErrResize].
func (p *Pool) Resize(workers int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing || p.alive.Err() != nil {
		return task.ErrClosed
	}
	if p.bridge != nil {
		return engine.ErrResize
	}
	p.workers.resize(workers)
	return nil
}

func (w *workers) resize(n int) {
	for number, c := range w.children {
		if number >= n && !c.retire {
			c.retire = true
			c.record.Order.Or(tasktable.OrderRetire)
			c.ring()
		}
	}
	for number := range n {
		w.ensure(number)
	}
	w.size = n
	w.wakeIdle()
}

// ensure makes sure that there is a worker of that number.
func (w *workers) ensure(number int) {
	if number < len(w.children) {
		c := w.children[number]
		if !c.gone {
			c.retire = false // a worker that ends all the same is replaced
			if c.renewed == nil {
				c.record.Order.And(^uint32(tasktable.OrderRetire))
			}
			return
		}
	}
	c := &supervisor{p: w.p, number: number, record: &w.p.table.Records[number], wake: make(chan struct{}, 1)}
	if number == len(w.children) {
		w.children = append(w.children, c)
	} else {
		c.restarts = w.children[number].restarts
		w.children[number] = c
	}
	if least := w.p.options.MinWorkers; least > 0 && number >= least {
		c.asleep = true // the worker is started when tasks wait
		w.asleep++
	}
	w.p.keepers.Add(1)
	go c.keep()
}

// Size is how many workers the pool shall have.
func (p *Pool) Size() int {
	if p.bridge != nil {
		return max(p.bridge.engine.Capacity(), 1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers.size
}

// localOverhead is about what sending a task costs, half of it in the worker.
const localOverhead = time.Microsecond

// Overhead is about how long it takes to send a task and its result.
func (p *Pool) Overhead() time.Duration {
	if p.bridge != nil {
		return max(p.bridge.engine.Overhead(), localOverhead)
	}
	return localOverhead
}

// awake is how many workers there are, or are being started.
func (w *workers) awake() (n int) {
	for _, c := range w.children {
		if !c.gone && !c.asleep {
			n++
		}
	}
	return n
}

// wakeIdle starts workers that sleep when there are more tasks than the others can run.
func (w *workers) wakeIdle() {
	if w.asleep == 0 {
		return
	}
	for need := w.p.work - w.awake(); need > 0; need-- {
		i := slices.IndexFunc(w.children, func(c *supervisor) bool { return c.asleep && !c.gone && len(c.wake) == 0 })
		if i < 0 {
			return
		}
		w.children[i].wakeKeeper()
	}
}

// ready notes that a worker takes tasks.
func (w *workers) ready(number uint32) {
	if int(number) >= len(w.children) {
		return
	}
	c := w.children[number]
	w.p.event(slog.LevelDebug, "worker ready", slog.String("worker", c.name()))
	if c.host != c.renewing {
		c.endRenewal()
	}
	if c.greeted {
		return // another one was ready before it in its place
	}
	c.greeted = true
	if w.waiting--; w.waiting == 0 {
		close(w.p.ready)
	}
}

// wakeKeepers wakes the keepers of all workers. It takes Pool.mu.
func (w *workers) wakeKeepers() {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	for _, c := range w.children {
		c.wakeKeeper()
	}
}

// each does the same to every worker that is there. It takes Pool.mu.
func (w *workers) each(f func(host) error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	for _, c := range w.children {
		if c.host != nil {
			f(c.host) // a worker that has just ended is no error
		}
	}
}

// of finds a worker by its owner id. It takes Pool.mu.
func (w *workers) of(worker proctab.Owner) (h host, c *supervisor) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	if c = w.find(worker); c == nil {
		return nil, nil
	}
	return c.host, c
}

func (w *workers) find(worker proctab.Owner) *supervisor {
	for _, c := range w.children {
		if c.host != nil && c.record.Owner.Load() == uint32(worker) {
			return c
		}
	}
	return nil
}

// nameOf is the name of a worker, or empty when it is there no more.
func (w *workers) nameOf(worker proctab.Owner) string {
	if c := w.find(worker); c != nil {
		return c.name()
	}
	return ""
}

// kill kills a worker, if it is still there. It takes Pool.mu.
func (w *workers) kill(worker proctab.Owner) {
	if h, _ := w.of(worker); h != nil {
		h.Kill()
	}
}

// interrupt has a worker look whether its task is still wanted. It takes Pool.mu.
func (w *workers) interrupt(worker proctab.Owner) {
	if _, c := w.of(worker); c != nil {
		c.ring()
	}
}

// ring wakes whatever is there: the worker that waits for orders, or the keeper that waits for
// work.
func (c *supervisor) ring() {
	word := c.record.OrderWord(0)
	c.record.Order.Add(tasktable.OrderOne)
	futex.Wake(word.Addr, 2) // the worker waits for orders, and may wait for room
	c.wakeKeeper()
}

// wakeKeeper wakes the keeper.
func (c *supervisor) wakeKeeper() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
