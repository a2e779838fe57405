//go:build linux

package bench

import "testing"

// BenchmarkBarrier crosses a barrier together with the other process.
func BenchmarkBarrier(b *testing.B) {
	b.Run("procs=2", func(b *testing.B) { benchTrips(b, tripRows(newPeers(b), "barrier")[2:]) })
}
