package metrics

import (
	"expvar"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/metrics/internal/snapshot"
)

// Var returns the same segments for package expvar, in the JSON of the tool:
//
//	expvar.Publish("shmkit", metrics.New(o).Var())
//
// The segments are read each time that the variable is asked for.
func (c *Collector) Var() expvar.Var {
	return expvar.Func(func() any {
		segments, _ := snapshot.Take(c.options.Segments, c.options.Dir, describe.Want{})
		return map[string]any{"segments": segments}
	})
}
