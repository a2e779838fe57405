//go:build linux

package bench

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
)

// kernelCalls counts how often measured processes called the kernel in order to sleep or to wake.
type kernelCalls struct {
	waits, wakes, membarriers int64
	// Waits of a peer in C that slept; the other waits found that the word had changed.
	slept int64
	// voluntary context switches of a peer that cannot count its calls
	sleeps int64
}

// countCalls returns the calls of this process so far.
func countCalls() kernelCalls {
	c := futex.Counted()
	return kernelCalls{waits: int64(c.Waits), wakes: int64(c.Wakes), membarriers: int64(c.Membarriers)}
}

func (c kernelCalls) plus(d kernelCalls) kernelCalls {
	return kernelCalls{
		c.waits + d.waits, c.wakes + d.wakes, c.membarriers + d.membarriers, c.slept + d.slept, c.sleeps + d.sleeps,
	}
}

func (c kernelCalls) minus(d kernelCalls) kernelCalls {
	return c.plus(kernelCalls{-d.waits, -d.wakes, -d.membarriers, -d.slept, -d.sleeps})
}

// A child prints its calls in this format.
const callsFormat = "calls %d %d %d"

func (c kernelCalls) String() string {
	return fmt.Sprintf(callsFormat, c.waits, c.wakes, c.membarriers)
}

func parseCalls(line string) (c kernelCalls, err error) {
	_, err = fmt.Sscanf(line, callsFormat, &c.waits, &c.wakes, &c.membarriers)
	return c, err
}

// report gives b the calls for each of ops operations, under names that begin with prefix. Of a
// peer whose calls cannot be counted it reports the sleeps.
func (c kernelCalls) report(b *testing.B, prefix string, ops int64) {
	perOp := func(n int64, what string) { b.ReportMetric(float64(n)/float64(ops), prefix+what+"/op") }
	if c.sleeps > 0 {
		perOp(c.sleeps, "sleeps")
		return
	}
	perOp(c.waits, "waits")
	perOp(c.wakes, "wakes")
	perOp(c.membarriers, "membarriers")
}
