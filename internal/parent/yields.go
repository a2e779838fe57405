package parent

import (
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/yields"
)

// NewReader is the reader of a task that yields values of so many bytes each, 0: of any length.
func (p *Pool) NewReader(fixed int) *yields.Reader {
	return yields.NewReader(p.table.Object, fixed, p.room.limit, p.local)
}

// IsElsewhere says that an engine runs the tasks, which cannot reach the memory of the pool.
func (p *Pool) IsElsewhere() bool { return p.bridge != nil }

// EndContext ends the context of the task of s in slot i, and leaves all else as it is. A task that
// has not begun begins with a context that has ended.
func (p *Pool) EndContext(i uint32, s Settler) {
	p.mu.Lock()
	c, sl := &p.calls[i], &p.table.Slots[i]
	mine := c.live && c.future == s
	if mine {
		sl.Cancel.Store(c.serial)
	}
	state := sl.State.Load()
	p.mu.Unlock()
	if mine && tasktable.PhaseOf(state) == tasktable.PhaseRunning {
		p.workers.interrupt(tasktable.WorkerOf(state))
	}
}
