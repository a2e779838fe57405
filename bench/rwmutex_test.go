//go:build linux

package bench

import (
	"fmt"
	"testing"
)

// BenchmarkRWMutex read-locks and reads an integer, or write-locks and increments it, in one process or in two at
// once. Every process has read-locked once before, so that a writer has readers to look after.
func BenchmarkRWMutex(b *testing.B) {
	for _, op := range []string{"rlock", "wlock"} {
		b.Run("op="+op, func(b *testing.B) {
			for _, procs := range []int{1, 2} {
				b.Run(fmt.Sprintf("procs=%d", procs), func(b *testing.B) {
					bench(b, procs, rwmutexRows(newPeers(b), op))
				})
			}
		})
	}
	note("no row %s/impl=python: multiprocessing has no read-write lock", b.Name())
}

func rwmutexRows(ps *peers, op string) []row {
	return []row{
		{"glibc-pshared", nativeRound, func(tb testing.TB, p plan) outcome {
			return race(tb, p, p.total(), ps.c(tb, "rwlock"), op)
		}},
	}
}
