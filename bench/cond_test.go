//go:build linux

package bench

import "testing"

// BenchmarkCondRoundTrip passes a turn to the other process and awaits its own, under one lock and with one
// condition variable.
func BenchmarkCondRoundTrip(b *testing.B) { benchTrips(b, tripRows(newPeers(b), "cond")[2:]) }
