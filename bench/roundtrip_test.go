//go:build linux

package bench

import (
	"testing"
)

const (
	spinningRound = 5_000 // trips that cost less than a microsecond
	parkedRound   = 100   // trips of processes that sleep, 1 to 20 ms
)

// BenchmarkEventRoundTrip sets an event that the other process awaits, and awaits the one that the other sets.
func BenchmarkEventRoundTrip(b *testing.B) { benchTrips(b, eventRows(newPeers(b))) }

// BenchmarkCondRoundTrip passes a turn to the other process and awaits its own, under one lock and with one
// condition variable.
func BenchmarkCondRoundTrip(b *testing.B) { benchTrips(b, condRows(newPeers(b))) }

// BenchmarkBarrier crosses a barrier together with the other process.
func BenchmarkBarrier(b *testing.B) {
	b.Run("procs=2", func(b *testing.B) { benchTrips(b, barrierRows(newPeers(b))) })
}

func eventRows(ps *peers) []row   { return tripRows(ps, "event") }
func condRows(ps *peers) []row    { return tripRows(ps, "cond") }
func barrierRows(ps *peers) []row { return tripRows(ps, "barrier") }

// tripRows are the rows of one kind of object. Every process counts its part, so that the total is twice the trips.
func tripRows(ps *peers, object string) []row {
	return []row{
		{"glibc-pshared", parkedRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, 2*p.total(), ps.c(tb, "trips"), object)
		}},
		{"python", parkedRound, func(tb testing.TB, p plan) outcome {
			return ps.runPython(tb, p, 2*p.total(), "trips", object)
		}},
	}
}
