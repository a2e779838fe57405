package pool

import "time"

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

	// Missing are places elsewhere that run tasks of the pool, and did not answer in time: what
	// their workers do is not in these figures.
	Missing []string
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

// Latency is how long tasks took, of a sample of them: one of 16, or every chunk.
type Latency struct {
	// Half of the tasks of the sample took at most P50, 99 of 100 at most P99, each at most Max.
	P50, P99, Max time.Duration
	// Samples is how many tasks the sample has.
	Samples int64
}

// Stats describes the pool at this moment. It reads a file of the operating system for each worker.
func (p *Pool) Stats() Stats {
	s := p.core.Stats()
	var workers []WorkerStats
	for _, w := range s.Workers {
		workers = append(workers, WorkerStats(w))
	}
	return Stats{
		Label: p.label, Workers: workers,
		Killed: s.Killed, Recycled: s.Recycled, Retried: s.Retried, Pending: s.Pending, Queued: s.Queued,
		LogDropped: s.LogDropped, Total: Latency(s.Total), Run: Latency(s.Run), Missing: s.Missing,
	}
}
