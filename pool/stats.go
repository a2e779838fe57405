package pool

import (
	"time"

	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// Stats is what a pool has done so far.
type Stats struct {
	Label   string // Options.Label
	Workers []WorkerStats
	Tasks   []TaskStats // by task, as they first came
	Killed  int         // workers that died and were replaced
	// workers that were replaced because of MaxTasksPerWorker, RecycleMemory or Restart
	Recycled int
	Idle     int // workers that ended because of IdleTimeout
	Retired  int // workers that ended because the pool was made smaller
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

// TaskStats is what the pool has done with one task. It counts arguments: those of a chunk one by
// one. Each one that was submitted is pending, or has ended in one of the ways from OK to Canceled;
// those of a Map that ended while a worker's death had them run again are in none.
type TaskStats struct {
	Name      string
	Submitted uint64
	OK        uint64 // it has returned a value
	Errors    uint64 // it has returned an error
	Panics    uint64
	Late      uint64 // it ran past its HardDeadline
	Died      uint64 // its worker died, and it had no other attempt
	Canceled  uint64 // its caller has gone before it ran, or the pool has ended
	Failed    uint64 // the pool could not run it, or not send its result
	Retried   uint64 // attempts after the first

	// How long one argument ran in the worker, and how long it took from the submission of the
	// task, or chunk, to its result: of the sample of [Latency].
	Run, Total Histogram
}

// HistogramBuckets is how many buckets a [Histogram] has.
const HistogramBuckets = parent.Buckets

// A Histogram counts durations by their size.
type Histogram struct {
	Samples uint64
	Sum     time.Duration
	// Buckets[i] is how many are longer than Limit(i-1), and at most Limit(i). Those that are
	// longer than the last limit are in no bucket.
	Buckets [HistogramBuckets]uint64
}

// Limit is the longest duration of bucket i: 1 µs, 4 µs, 16 µs and so on, up to about 72 minutes.
func (Histogram) Limit(i int) time.Duration { return time.Microsecond << (2 * i) }

// Stats describes the pool at this moment. It reads a file of the operating system for each worker.
func (p *Pool) Stats() Stats {
	s := p.core.Stats()
	var workers []WorkerStats
	for _, w := range s.Workers {
		workers = append(workers, WorkerStats(w))
	}
	var tasks []TaskStats
	for _, t := range s.Tasks {
		tasks = append(tasks, TaskStats{
			Name: t.Name, Submitted: t.Submitted, Retried: t.Retried,
			OK: t.Ends[tasktable.EndOK], Errors: t.Ends[tasktable.EndError], Panics: t.Ends[tasktable.EndPanic],
			Late: t.Ends[tasktable.EndLate], Died: t.Ends[tasktable.EndDied], Canceled: t.Ends[tasktable.EndCanceled],
			Failed: t.Ends[tasktable.EndFailed], Run: Histogram(t.Run), Total: Histogram(t.Total),
		})
	}
	return Stats{
		Label: p.label, Workers: workers, Tasks: tasks, Idle: s.Idle, Retired: s.Retired,
		Killed: s.Killed, Recycled: s.Recycled, Retried: s.Retried, Pending: s.Pending, Queued: s.Queued,
		LogDropped: s.LogDropped, Total: Latency(s.Total), Run: Latency(s.Run), Missing: s.Missing,
	}
}
