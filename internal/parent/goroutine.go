package parent

import (
	"errors"
	"os"
	"sync"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/linemux"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/worker"
)

// A goroutine is a worker in this process.
type goroutine struct {
	w    *worker.Worker
	gone chan struct{} // closed when it has ended, or is left alone
	once sync.Once
	exit child.Exit // immutable once gone is closed
}

// launch starts a worker as a goroutine.
func (Goroutines) launch(c *supervisor, _ *linemux.Writer) (host, error) {
	p := c.p
	me := worker.LocalIDs.Take()
	w := worker.NewLocal(p.table, p.worker(c.number), me)
	g := &goroutine{w: w, gone: make(chan struct{})}
	go func() {
		err := w.Work()
		if errors.Is(err, worker.ErrLeftBehind) {
			p.unstick(w.Slot)
		} else if err != nil {
			p.fail(err)
		}
		worker.LocalIDs.Release(me)
		g.leave(child.Exit{})
	}()
	return g, nil
}

func (g *goroutine) leave(exit child.Exit) {
	g.once.Do(func() {
		g.exit = exit
		close(g.gone)
	})
}

func (g *goroutine) PID() int { return os.Getpid() }

func (g *goroutine) Wait() child.Exit {
	<-g.gone
	return g.exit
}

func (g *goroutine) Terminate() error {
	g.w.Stop(task.ErrClosed)
	return nil
}

// Kill leaves the goroutine alone: it cannot be ended.
func (g *goroutine) Kill() error {
	g.w.Stop(task.ErrClosed)
	g.leave(child.Killed)
	return nil
}

func (g *goroutine) Usage() (child.Usage, error) { return child.OwnUsage() }

// withoutStuck are those of the slots that no goroutine uses which was left alone. The others are
// released when it returns.
func (p *Pool) withoutStuck(slots []uint32) (ours []uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range slots {
		if c := &p.calls[i]; c.stuck {
			c.left = true
			if c.owed {
				c.owed = false
				p.settled(c)
			}
			c.forget() // its waiter has seen the result, and must not be told of another one
		} else {
			ours = append(ours, i)
		}
	}
	return ours
}

// unstick notes that a goroutine which was left alone does not use slot i any more.
func (p *Pool) unstick(i uint32) {
	p.mu.Lock()
	c := &p.calls[i]
	left := c.left
	c.Got = outcomeIn(&p.table.Slots[i], c.Count) // the task may have made a result
	c.stuck, c.left = false, false
	p.mu.Unlock()
	if left {
		p.Release(i)
	}
}
