//go:build linux

package bench

import (
	"testing"

	shmsync "github.com/shmkit/shmkit/sync"
)

const (
	spinningRound = 5_000 // trips of processes that spin, 1 to 5 ms
	parkedRound   = 100   // trips of processes that sleep, 1 to 20 ms
)

// policies by the ending of a job's name.
var policies = map[string]shmsync.WaitPolicy{"": shmsync.Adaptive, "-parked": shmsync.Park}

// tripRows are the rows of one kind of object. Each process counts the trips.
func tripRows(ps *peers, object string) []row {
	return []row{
		{"shmkit", spinningRound, func(tb testing.TB, p plan) outcome {
			return raceJob(tb, object, p)
		}},
		{"shmkit-parked", parkedRound, func(tb testing.TB, p plan) outcome {
			return raceJob(tb, object+"-parked", p)
		}},
		{"glibc-pshared", parkedRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, 2*p.total(), ps.c(tb, "trips"), object)
		}},
		{"python", parkedRound, func(tb testing.TB, p plan) outcome {
			return ps.runPython(tb, p, 2*p.total(), "trips", object)
		}},
	}
}
