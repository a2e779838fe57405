//go:build linux

package bench

import (
	"slices"
	"testing"
	"time"
)

// mapWork describes the arguments of one Map.
type mapWork struct {
	tasks int
	bytes int     // of an argument
	chunk int     // tasks in a chunk, 0 where the pool decides
	kind  mapKind // of the arguments

	rest time.Duration // before each call, so that the workers sleep
}

// mapKind is a type of arguments that only the pools of the toolkit have.
type mapKind int

const (
	anyKind   mapKind = iota // a type that each implementation takes
	wordKind                 // int, as the results
	sliceKind                // []int64
)

// mapPayloads are the arguments of a Map, and how many there are. Those of 8 bytes are numbers, the
// others []byte.
var mapPayloads = []struct {
	name string
	work mapWork
}{
	{"8B", mapWork{tasks: 1000, bytes: 8}},
	{"1KiB", mapWork{tasks: 1000, bytes: 1 << 10}},
	{"1MiB", mapWork{tasks: 32, bytes: 1 << 20}},
}

// vectorPayloads are arguments of chunks that need no frames, for the pools of the toolkit alone.
var vectorPayloads = []struct {
	name string
	work mapWork
}{
	{"8B/tasks=1M", mapWork{tasks: 1_000_000, bytes: 8}},
	{"int/tasks=1M", mapWork{tasks: 1_000_000, bytes: 8, kind: wordKind}},
	{"8B/rest=10ms", mapWork{tasks: 1000, bytes: 8, rest: 10 * time.Millisecond}},
	{"4x8B/tasks=100k", mapWork{tasks: 100_000, bytes: 8, kind: sliceKind}},
}

// BenchmarkMap maps 1,000 arguments, or 32 of 1 MiB. An operation is one task.
func BenchmarkMap(b *testing.B) {
	impls := newPools(b)
	for _, chunk := range []string{"1", "auto"} {
		b.Run("chunk="+chunk, func(b *testing.B) {
			for _, payload := range mapPayloads {
				b.Run("payload="+payload.name, func(b *testing.B) { mapComparison(impls, payload.work, chunk).run(b) })
			}
			if chunk == "1" {
				return
			}
			for _, payload := range vectorPayloads {
				b.Run("payload="+payload.name, func(b *testing.B) { mapComparison(pick(impls, "shmkit", "local"), payload.work, chunk).run(b) })
			}
		})
	}
	note("no rows %s/chunk=auto of python-executor: its chunks are of 1 unless the caller says more", b.Name())
}

func mapComparison(impls []poolImpl, w mapWork, chunk string) *comparison {
	if chunk == "1" {
		w.chunk = 1
	} else {
		impls = slices.DeleteFunc(slices.Clone(impls), func(x poolImpl) bool { return x.impl == "python-executor" })
	}
	each := sumTo(w.tasks)
	if w.bytes == 8 {
		each = sumSquares(w.tasks)
	}
	cs := contenders(impls, func(tb testing.TB, p pooled, ops int) answer { return p.mapAll(tb, ops, w) })
	if w.bytes == 8 {
		cs = countingMallocs(cs, impls)
	}
	return &comparison{
		contenders: cs, tasks: w.tasks,
		want:  func(ops int) int64 { return int64(ops) * each },
		first: 1, rounds: 15, budget: 10 * time.Millisecond, most: 100,
	}
}

// imapTasks are the tasks of one call of IMapUnordered.
const imapTasks = 1000

// BenchmarkIMapUnordered takes the results of 1,000 tasks as they come. An operation is one task.
func BenchmarkIMapUnordered(b *testing.B) {
	impls := newPools(b)
	b.Run("chunk=1", func(b *testing.B) { imapComparison(impls).run(b) })
}

func imapComparison(impls []poolImpl) *comparison {
	cs := contenders(impls, func(tb testing.TB, p pooled, ops int) answer { return p.imapUnordered(tb, ops, imapTasks) })
	return &comparison{
		contenders: countingMallocs(cs, impls), tasks: imapTasks,
		want:  func(ops int) int64 { return int64(ops) * sumSquares(imapTasks) },
		first: 1, rounds: 15, budget: 10 * time.Millisecond, most: 100,
	}
}

// TestMapRows does a few operations of each row.
func TestMapRows(t *testing.T) {
	impls := newPools(t)
	for _, chunk := range []string{"1", "auto"} {
		for _, payload := range mapPayloads {
			w := payload.work
			w.tasks = min(w.tasks, 40)
			t.Run("chunk="+chunk+"/payload="+payload.name, mapComparison(impls, w, chunk).test)
		}
	}
	for _, payload := range vectorPayloads {
		w := payload.work
		w.tasks, w.rest = 3000, min(w.rest, time.Millisecond)
		t.Run("payload="+payload.name, mapComparison(pick(impls, "shmkit", "local"), w, "auto").test)
	}
	t.Run("unordered", imapComparison(impls).test)
}
