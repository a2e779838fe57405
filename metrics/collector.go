package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/metrics/internal/snapshot"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// Options say what a [Collector] looks at.
type Options struct {
	// Segments are attached by this process. They stay the caller's. One that is closed yields no
	// series.
	Segments []*shm.Segment

	// Dir is a directory, every segment of which is looked at, also those that no process has
	// attached; "" means none.
	Dir string

	// Pools are pools of this process.
	Pools []*pool.Pool

	// PerWorker adds a label worker to processor time and memory of pools.
	PerWorker bool

	// PerObjectLimit is how many objects of a segment have series of their own; 0 means 1000. Of a
	// segment with more only sums are exported.
	PerObjectLimit int
}

// A Collector is a [prometheus.Collector] of segments and pools. It is safe for concurrent use.
type Collector struct {
	options Options
}

// New returns a Collector, which registers nothing by itself.
func New(o Options) *Collector {
	if o.PerObjectLimit <= 0 {
		o.PerObjectLimit = 1000
	}
	return &Collector{o}
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range families {
		out <- d.desc
	}
}

// Collect implements [prometheus.Collector]. It takes as long as the segments are large: some
// microseconds for an object.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	start := time.Now()
	e := emitter{out}
	segments, skipped := snapshot.Take(c.options.Segments, c.options.Dir, describe.Want{})
	for _, s := range segments {
		e.segment(s, c.options.PerObjectLimit)
	}
	e.emit(segmentsSkipped, float64(skipped))
	for i, p := range c.options.Pools {
		e.pool(i, p.Stats(), c.options.PerWorker)
	}
	e.emit(scrapeSeconds, time.Since(start).Seconds())
}

// An emitter passes values on as metrics.
type emitter struct{ out chan<- prometheus.Metric }

func (e emitter) emit(f *family, value float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
}
