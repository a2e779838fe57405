package parent

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// timedOf is that of so many single tasks one is timed; chunks all are.
const timedOf = 16

// latency collects how long tasks take. Guarded by Pool.mu.
type latency struct {
	total *hdrhistogram.Histogram // from the submission to the result
	run   *hdrhistogram.Histogram // of one argument in the worker
}

// From 10 ns to an hour, to two digits.
func newLatency() latency {
	return latency{total: hdrhistogram.New(10, int64(time.Hour), 2), run: hdrhistogram.New(10, int64(time.Hour), 2)}
}

func (l *latency) add(t *tally, total, run time.Duration, count int) {
	l.total.RecordValue(min(int64(total), int64(time.Hour)))
	t.total.add(total)
	if run > 0 {
		run /= time.Duration(max(count, 1))
		l.run.RecordValue(min(int64(run), int64(time.Hour)))
		t.run.add(run)
	}
}

// Latency is how long tasks took, as pool.Latency has it, with the same fields.
type Latency struct {
	P50, P99, Max time.Duration
	Samples       int64
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	return Latency{
		P50: time.Duration(h.ValueAtQuantile(50)), P99: time.Duration(h.ValueAtQuantile(99)),
		Max: time.Duration(h.Max()), Samples: h.TotalCount(),
	}
}
