package parent

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// What happens when a worker cannot be started, or ends before it takes tasks. One lost thing must
// not take all: the pool goes on with its other workers, and tries again.

const (
	startPause    = time.Millisecond
	startPauseMax = time.Second
)

// notStarted looks after a start that has failed, and reports whether to try again. That is so
// while another worker is there and the system is only short of something, and otherwise as often
// as Options.MaxFailedStarts says.
func (c *supervisor) notStarted(err error) (again bool) {
	p := c.p
	p.mu.Lock()
	c.falls++
	falls, alone := c.falls, p.workers.alone()
	p.mu.Unlock()
	if !child.IsShortage(err) || alone && c.tooOften(falls) {
		p.fail(fmt.Errorf("start a worker: %w", err))
		return false
	}
	p.event(slog.LevelWarn, "worker cannot be started: tried again", slog.String("worker", c.name()), slog.Any("error", err))
	c.rest(falls)
	return true
}

// alone says, under Pool.mu, that no worker is there.
func (w *workers) alone() bool {
	for _, c := range w.children {
		if c.host != nil {
			return false
		}
	}
	return true
}

// fell notes that a worker has ended before it took tasks, and reports whether another may be
// started. Before New has returned, one that ends by itself will not do better the next time.
func (c *supervisor) fell(d WorkerExit, st tasktable.Stage) (again bool) {
	c.p.mu.Lock()
	c.falls++
	falls, begun := c.falls, c.p.workers.waiting <= 0
	c.p.mu.Unlock()
	itself := d.Signal == "" && d.ExitCode != child.CodeUnknown
	if itself && !begun || c.tooOften(falls) {
		c.p.fail(falseStart(d, falls, st))
		return false
	}
	if itself {
		c.rest(falls)
	}
	return true
}

// tooOften says whether so many starts in a row are more than may fail.
func (c *supervisor) tooOften(falls int) bool {
	most := c.p.options.MaxFailedStarts
	return most >= 0 && falls > most
}

// rest waits before the next start, the longer the more have failed in a row. It returns early when
// the keeper may have to end.
func (c *supervisor) rest(falls int) {
	select {
	case <-time.After(min(startPause<<min(falls-1, 10), startPauseMax)):
	case <-c.wake:
	case <-c.p.alive.Done():
	}
}
