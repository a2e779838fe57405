package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	e.emit(poolExits, float64(s.Killed), name, "died")
	e.emit(poolExits, float64(s.Recycled), name, "recycled")
	e.emit(poolExits, float64(s.Idle), name, "idle")
	e.emit(poolExits, float64(s.Retired), name, "retired")
	e.emit(poolLogDropped, float64(s.LogDropped), name)
	for i := range s.Tasks {
		e.task(&s.Tasks[i], name)
	}
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

// task passes on what a pool has done with one task.
func (e emitter) task(t *pool.TaskStats, name string) {
	e.emit(poolSubmitted, float64(t.Submitted), name, t.Name)
	for outcome, n := range map[string]uint64{
		"ok": t.OK, "error": t.Errors, "panic": t.Panics, "deadline": t.Late, "died": t.Died, "canceled": t.Canceled, "failed": t.Failed,
	} {
		e.emit(poolTasks, float64(n), name, t.Name, outcome)
	}
	e.emit(poolRetries, float64(t.Retried), name, t.Name)
	e.histogram(poolRunSeconds, &t.Run, name, t.Name)
	e.histogram(poolWaitSeconds, &t.Total, name, t.Name)
}

// histogram passes on durations by their size.
func (e emitter) histogram(f *family, h *pool.Histogram, labels ...string) {
	buckets, sum := make(map[float64]uint64, len(h.Buckets)), uint64(0)
	for i, n := range h.Buckets {
		sum += n
		buckets[h.Limit(i).Seconds()] = sum
	}
	e.out <- prometheus.MustNewConstHistogram(f.desc, h.Samples, h.Sum.Seconds(), buckets, labels...)
}

// workers passes on the time and memory of each worker, or of all of them together.
func (e emitter) workers(workers []pool.WorkerStats, name string, perWorker bool) {
	var cpu time.Duration
	var memory int64
	for i, w := range workers {
		cpu += w.CPU
		memory += w.Memory
		if perWorker {
			e.emit(poolCPU, w.CPU.Seconds(), name, strconv.Itoa(i))
			e.emit(poolMemory, float64(w.Memory), name, strconv.Itoa(i))
		}
	}
	if !perWorker {
		e.emit(poolCPU, cpu.Seconds(), name, "")
		e.emit(poolMemory, float64(memory), name, "")
	}
}
