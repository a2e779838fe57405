//go:build linux

package bench

import (
	"fmt"
	"testing"
)

// lockCrowd are the numbers of processes that compete for one lock.
var lockCrowd = []int{1, 2, 4, 8}

// BenchmarkLockCrowd locks, increments an integer and unlocks in a growing number of processes,
// which share the cores when there are more of them. The figures are of one increment, by whichever
// process.
func BenchmarkLockCrowd(b *testing.B) {
	ps := newPeers(b)
	for _, procs := range lockCrowd {
		b.Run(fmt.Sprint("procs=", procs), func(b *testing.B) {
			for _, r := range lockRows(ps, "increment") {
				b.Run("impl="+r.impl, func(b *testing.B) { r.measure(b, newPlan(b.N, r.perRound, sharedCores(b, procs))) })
			}
		})
	}
}

// sharedCores returns a CPU for each process: as many cores as there are, again and again.
func sharedCores(tb testing.TB, procs int) (cpus []int) {
	tb.Helper()
	have := cores(tb, min(procs, 2))
	for i := range procs {
		cpus = append(cpus, have[i%len(have)])
	}
	return cpus
}

// TestLockCrowdRows does a few increments in more processes than there are cores.
func TestLockCrowdRows(t *testing.T) {
	for _, r := range lockRows(newPeers(t), "increment") {
		t.Run("impl="+r.impl, func(t *testing.T) {
			p := plan{rounds: 3, ops: 200, cpus: sharedCores(t, 4)}
			if got := len(r.race(t, p).rounds(p)); got != p.rounds {
				t.Errorf("%d rounds, want %d", got, p.rounds)
			}
		})
	}
}
