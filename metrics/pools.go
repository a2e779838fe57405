package metrics

import (
	"strconv"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// pool passes on all series of a pool. Number is its place in Options.Pools.
func (e emitter) pool(number int, s pool.Stats, perWorker bool) {
	name := s.Label
	if name == "" {
		name = strconv.Itoa(number)
	}
	e.emit(poolWorkers, float64(running(s.Workers)), name)
	e.emit(poolPending, float64(s.Pending), name)
	e.emit(poolQueued, float64(s.Queued), name)
	e.emit(poolRetries, float64(s.Retried), name)
	e.emit(poolExits, float64(s.Killed), name, "died")
	e.emit(poolExits, float64(s.Recycled), name, "recycled")
	e.emit(poolLogDropped, float64(s.LogDropped), name)
	e.latency(poolRunSeconds, s.Run, name)
	e.latency(poolWaitSeconds, s.Total, name)
	e.workers(s.Workers, name, perWorker)
}

// running counts the workers that have a process.
func running(workers []pool.WorkerStats) (n int) {
	for _, w := range workers {
		if w.PID != 0 {
			n++
		}
	}
	return n
}

// latency passes on percentiles of durations, once there are some.
func (e emitter) latency(f *family, l pool.Latency, name string) {
	if l.Samples == 0 {
		return
	}
	for percentile, d := range map[string]time.Duration{"50": l.P50, "99": l.P99, "100": l.Max} {
		e.emit(f, d.Seconds(), name, percentile)
	}
}

// workers passes on the time and memory of each worker, or of all of them together.
func (e emitter) workers(workers []pool.WorkerStats, name string, perWorker bool) {
	var done uint64
	var cpu time.Duration
	var memory int64
	for i, w := range workers {
		done += w.Tasks
		cpu += w.CPU
		memory += w.Memory
		if perWorker {
			e.emit(poolCPU, w.CPU.Seconds(), name, strconv.Itoa(i))
			e.emit(poolMemory, float64(w.Memory), name, strconv.Itoa(i))
		}
	}
	e.emit(poolDone, float64(done), name)
	if !perWorker {
		e.emit(poolCPU, cpu.Seconds(), name, "")
		e.emit(poolMemory, float64(memory), name, "")
	}
}
