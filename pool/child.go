package pool

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/process"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A child is one place for a worker in the parent: the process that has it now, and its replacements.
type child struct {
	p      *Pool
	number int

	// Guarded by p.mu.
	process *process.Process // nil between two of them
	pid     int
}

// maxFalseStarts is how many workers in a row may be killed before they are ready.
const maxFalseStarts = 20

// keep starts the worker, and starts another whenever it dies, until the pool is being closed.
func (c *child) keep() {
	defer c.p.wg.Done()
	for falseStarts := 0; ; {
		record := &c.p.records[c.number]
		record.owner.Store(0)
		record.ready.Store(0)
		stderr := &tail{to: os.Stderr}
		proc, err := c.start(stderr)
		if err != nil {
			c.p.end(fmt.Errorf("pool: start a worker: %w", err))
			return
		}
		if proc == nil {
			return // closing
		}
		exit := proc.Wait()
		ready := record.ready.Load() == stageReady
		closing := c.ended()
		c.p.bury(proctab.Owner(record.owner.Load()), death{pid: proc.PID(), exit: exit, stderr: stderr.String()})
		switch {
		case closing:
			return
		case ready:
			falseStarts = 0
		case exit.Signal == "" || falseStarts >= maxFalseStarts:
			c.p.end(falseStart(exit, stderr.String()))
			return
		default:
			falseStarts++
		}
	}
}

// falseStart says why a worker did not get to take tasks.
func falseStart(exit process.Exit, stderr string) error {
	switch exit.Code {
	case exitNoMain:
		return ErrNoMain
	case exitNoPool, exitDefected:
		return fmt.Errorf("pool: a worker cannot work (%v): %s", exit, stderr)
	}
	return fmt.Errorf("%w (a worker ended before it took tasks, %v): %s", ErrNoMain, exit, stderr)
}

// start starts the process, unless the pool is being closed.
func (c *child) start(stderr *tail) (*process.Process, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.p.closing && c.p.pending == 0 || c.p.alive.Err() != nil {
		return nil, nil
	}
	proc, err := process.Start(process.Spec{
		Env: []string{c.p.environment(c.number)}, Files: []*os.File{c.p.seg.File()}, Stderr: stderr,
	})
	if err != nil {
		return nil, err
	}
	c.process, c.pid = proc, proc.PID()
	return proc, nil
}

// ended notes that the process has ended, and reports whether that is no surprise.
func (c *child) ended() (closing bool) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.process, c.pid = nil, 0
	closing = c.p.closing && c.p.pending == 0 || c.p.alive.Err() != nil
	if !closing {
		c.p.killed++
	}
	return closing
}

// endWorkers asks the workers to end, and kills those that are there after the grace.
func (p *Pool) endWorkers(grace time.Duration) {
	p.signal(func(w *process.Process) { w.Terminate() })
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for end := time.Now().Add(grace); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if !p.signal(func(*process.Process) {}) {
				return
			}
		}
	}()
	<-gone
	for p.signal(func(w *process.Process) { w.Kill() }) {
		time.Sleep(time.Millisecond)
	}
}

// signal calls f for every process that is there, and reports whether there was one.
func (p *Pool) signal(f func(*process.Process)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	any := false
	for _, c := range p.workers {
		if c.process != nil {
			f(c.process)
			any = true
		}
	}
	return any
}

// A tail passes on what a worker writes to its standard error, and keeps the end of it.
type tail struct {
	to   *os.File
	mu   sync.Mutex
	last []byte
}

// tailBytes is how much of a worker's last words is kept.
const tailBytes = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b...)
	if len(t.last) > tailBytes {
		t.last = append(t.last[:0], t.last[len(t.last)-tailBytes:]...)
	}
	return t.to.Write(b)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.last)
}
