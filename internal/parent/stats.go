package parent

import (
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// Stats is what a pool has done so far, as pool.Stats has it.
type Stats struct {
	Workers                   []WorkerStats
	Tasks                     []TaskStats
	Killed, Recycled, Retried int
	Idle, Retired             int
	Pending, Queued           int
	LogDropped                uint64
	Total, Run                Latency
	Missing                   []string
}

// WorkerStats is what one worker has done so far, as pool.WorkerStats has it, with the same fields.
type WorkerStats struct {
	Name     string
	PID      int
	Tasks    uint64
	Restarts int
	CPU      time.Duration
	Memory   int64
}

// Stats describes the pool at this moment. It reads a file of the operating system for each worker.
func (p *Pool) Stats() Stats {
	p.collectReady()
	p.mu.Lock()
	s := Stats{
		Killed: p.killed, Recycled: p.recycled, Retried: p.retried, Pending: p.pending, Queued: p.queued(),
		Total: latencyOf(p.latency.total), Run: latencyOf(p.latency.run),
	}
	s.Tasks = p.counts.tasks()
	s.Idle, s.Retired = int(p.counts.exits[tasktable.ExitIdle]), int(p.counts.exits[tasktable.ExitRetired])
	s.LogDropped = p.logDropped
	if p.log != nil && p.logDropped == 0 && p.alive.Err() == nil {
		s.LogDropped = p.log.Dropped()
	}
	var hosts []host
	for _, c := range p.workers.children {
		if c.gone && c.number >= p.workers.size {
			continue
		}
		w := WorkerStats{Name: c.name(), Tasks: c.record.Done.Load(), Restarts: c.restarts}
		if c.host != nil {
			w.PID = c.host.PID()
		}
		s.Workers, hosts = append(s.Workers, w), append(hosts, c.host)
	}
	p.mu.Unlock()
	for i, h := range hosts {
		if h == nil {
			continue
		}
		if u, err := h.Usage(); err == nil { // a worker that has just ended has no usage
			s.Workers[i].CPU, s.Workers[i].Memory = u.User+u.System, u.Resident
		}
	}
	if p.bridge != nil {
		p.bridge.addStats(&s)
	}
	return s
}

// queued counts the tasks that no worker has begun, under mu.
func (p *Pool) queued() (n int) {
	for i := range p.calls {
		if p.calls[i].live && tasktable.PhaseOf(p.table.Slots[i].State.Load()) == tasktable.PhaseQueued {
			n++
		}
	}
	return n
}

// String says how many workers the pool has and what they have to do: for people, and for logs.
func (p *Pool) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := "pool"
	if p.options.Label != "" {
		what = fmt.Sprintf("pool %q", p.options.Label)
	}
	state := ""
	switch {
	case p.alive.Err() != nil:
		state = ", ended"
	case p.closing:
		state = ", closing"
	}
	return fmt.Sprintf("%s of %d workers: %d tasks, %d of them queued%s", what, p.workers.size, p.pending, p.queued(), state)
}
