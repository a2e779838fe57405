package pool

import (
	"time"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// Stats is what a pool has done so far.
type Stats struct {
	Label   string // Options.Label
	Workers []WorkerStats
	Killed  int // workers that died and were replaced
	// workers that were replaced because of MaxTasksPerWorker, RecycleMemory or Restart
	Recycled int
	// attempts after the first, after the death of a worker or because Retry said so
	Retried int
	// tasks that are queued or running, or have a result that a caller of Apply is about to read
	Pending    int
	Queued     int     // of them, those that no worker has begun
	LogDropped uint64  // records of workers that Options.Log has not got, because the log was full
	Total      Latency // from the submission of a task, or chunk, to its result
	Run        Latency // of one argument in the worker
}

// WorkerStats is what one worker has done so far.
type WorkerStats struct {
	Name string // the same for all that replace each other
	// 0: is being started, or asleep; to kill(2), 0 is the whole group of the caller
	PID      int
	Tasks    uint64        // that this worker, or those that it has replaced, have finished
	Restarts int           // how often it was replaced, other than after an IdleTimeout
	CPU      time.Duration // of this process so far, and of the programs that it has started
	// resident bytes of this process and of those that run, shared memory included
	Memory int64
}

// Stats describes the pool at this moment. It reads a file of the operating system for each worker.
func (p *Pool) Stats() Stats {
	p.collectReady()
	p.mu.Lock()
	s := Stats{
		Label:  p.options.Label,
		Killed: p.killed, Recycled: p.recycled, Retried: p.retried, Pending: p.pending, Queued: p.queued(),
		Total: latencyOf(p.latency.total), Run: latencyOf(p.latency.run),
	}
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
