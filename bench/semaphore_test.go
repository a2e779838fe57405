//go:build linux

package bench

import (
	"testing"
)

// BenchmarkSemaphore acquires and releases the one unit of a semaphore in one process.
func BenchmarkSemaphore(b *testing.B) {
	bench(b, 1, semaphoreRows(newPeers(b)))
}

func semaphoreRows(ps *peers) []row {
	return []row{
		{"posix", nativeRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, 0, ps.c(tb, "semaphore"))
		}},
		{"python", pythonRound, func(tb testing.TB, p plan) outcome {
			return ps.runPython(tb, p, 0, "lock", "semaphore", "empty")
		}},
	}
}
