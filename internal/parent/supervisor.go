package parent

import (
	"os"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/linemux"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/worker"
)

// A supervisor is one place for a worker in the parent: the one that has it now, and its
// replacements.
type supervisor struct {
	p      *Pool
	number int
	record *tasktable.Record
	wake   chan struct{} // has room for one; see asleep

	// Guarded by p.mu.
	host     host // nil between two of them
	greeted  bool // a worker of this supervisor has been ready
	asleep   bool // the worker has ended because it had nothing to do
	retire   bool // shall end
	gone     bool // the keeper returns, or has returned
	falls    int  // starts in a row that failed, or workers that ended before they took tasks
	before   int  // process id of the worker that the next one replaces, or 0
	restarts int
	// closed when the worker that is being started has a process, or gets none; nil: none is
	launched chan struct{}
	// closed when the worker has been replaced because of Restart; nil: it is not to be
	renewed  chan struct{}
	renewing host // the worker that is
}

// owner is the owner id of the worker, 0 before it has one.
func (c *supervisor) owner() proctab.Owner { return proctab.Owner(c.record.Owner.Load()) }

func (c *supervisor) name() string { return worker.NameOf(c.p.options.Label, c.number) }

// keep starts the worker, and starts another whenever it ends, until it shall be no more.
func (c *supervisor) keep() {
	defer c.p.keepers.Done()
	defer func() {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		c.endRenewal()
	}()
	for c.awaitWork() {
		stderr := linemux.NewWriter(c.p.stderr, c.name())
		h, err := c.start(stderr)
		if err != nil {
			if !c.notStarted(err) {
				break
			}
			continue
		}
		if h == nil {
			break
		}
		exit := h.Wait()
		stderr.Close()
		if !c.ended(WorkerExit{Name: c.name(), PID: h.PID(), ExitCode: exit.Code, Signal: exit.Signal, Stderr: stderr.String()}) {
			break
		}
	}
}

// awaitWork waits until the worker is needed, and reports whether that may still be.
func (c *supervisor) awaitWork() bool {
	for {
		c.p.mu.Lock()
		over := c.over()
		if c.asleep && c.p.work > c.p.workers.awake() {
			c.asleep = false
			c.p.workers.asleep--
		}
		asleep := c.asleep
		c.p.mu.Unlock()
		if over || !asleep {
			return !over
		}
		select {
		case <-c.wake:
		case <-c.p.alive.Done():
		}
	}
}

// over says, under p.mu, whether no worker shall be here any more. From then on it stays so.
func (c *supervisor) over() bool {
	c.gone = c.gone || c.retire || c.p.over()
	return c.gone
}

// start starts the worker, unless it shall be no more.
func (c *supervisor) start(stderr *linemux.Writer) (host, error) {
	c.p.mu.Lock()
	over := c.over()
	c.record.Owner.Store(0)
	c.record.Stage.Store(uint32(tasktable.StageStarted))
	c.record.Order.Store(0)
	c.record.Room.Store(tasktable.RoomNone)
	c.record.Asked.Store(0)
	c.record.Answered.Store(0)
	c.launched = make(chan struct{})
	c.p.mu.Unlock()
	defer c.endLaunch(nil) // a launch that has succeeded has ended by then
	// The report may be left from a worker that wrote it too late to be read.
	c.p.takeReport(c.number, 0, true)
	if over {
		return nil, nil
	}
	h, err := c.p.kind.launch(c, stderr)
	if err != nil {
		return nil, err
	}
	c.p.showStart(c.name(), h.PID(), c.before)
	stderr.Started(h.PID())
	c.endLaunch(h)
	if f := c.p.options.OnWorkerStart; f != nil {
		c.p.exits.Lock()
		f(WorkerStart{Name: c.name(), PID: h.PID(), Before: c.before})
		c.p.exits.Unlock()
	}
	return h, nil
}

// endLaunch notes which worker has been started, nil if none. A second call for a start has no
// effect.
func (c *supervisor) endLaunch(h host) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.launched == nil {
		return
	}
	close(c.launched)
	c.launched, c.host = nil, h
	// The pool may have ended since the look at the start. A worker that is to retire is not
	// terminated: it reads the order to retire from its record, and the order may be revoked.
	if h != nil && c.p.over() {
		h.Terminate()
	}
}

// launch starts a worker as a process.
func (Processes) launch(c *supervisor, stderr *linemux.Writer) (host, error) {
	p := c.p
	config, err := p.worker(c.number).Environment()
	if err != nil {
		return nil, err
	}
	depth, err := child.NextDepth()
	if err != nil {
		return nil, err
	}
	o := p.options
	proc, err := child.Start(child.Spec{
		Env: append(slices.Clone(o.Env), config, depth), Dir: o.Dir,
		Own: []*os.File{p.table.Seg.File()}, Files: p.files,
		Stdout: o.Stdout, Stderr: stderr,
		Limits: o.Surroundings(p.Size()).Limits(),
	})
	if err != nil {
		return nil, err // not proc, which would be an interface that is not nil
	}
	return proc, nil
}

// closeGrace is how long idle workers get to end by themselves.
const closeGrace = 5 * time.Second

// endWorkers asks the workers to end, kills those that are there after the grace, and waits for the
// keepers.
func (p *Pool) endWorkers(grace time.Duration) {
	gone := make(chan struct{})
	go func() {
		p.keepers.Wait()
		close(gone)
	}()
	p.workers.wakeKeepers()
	p.workers.each(host.Terminate)
	select {
	case <-gone:
	case <-time.After(grace):
	}
	for {
		p.workers.each(host.Kill)
		select {
		case <-gone:
			return
		case <-time.After(5 * time.Millisecond): // a worker may be about to start
		}
	}
}
