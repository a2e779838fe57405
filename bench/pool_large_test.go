//go:build linux

package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// A large is an argument of 1 MiB that stays where it is.
type large struct {
	Words *shm.RawArray[uint64]
}

// endsOfLarge returns the number of a message that is passed by handle.
var endsOfLarge = pool.Define("ends of large", func(_ context.Context, l large) (int64, error) {
	last := l.Words.Len() - 1
	if l.Words.At(0) != l.Words.At(last) {
		return 0, fmt.Errorf("a message begins with %d and ends with %d", l.Words.At(0), l.Words.At(last))
	}
	return int64(l.Words.At(0)), nil
})

const (
	largeBytes = 1 << 20
	largeTasks = 32
)

// BenchmarkMap1MiB maps messages of 1 MiB, of which the task looks at the ends: as handles of
// arrays in shared memory, and as []byte. Beside it are one copy of a message, and the same
// function called here. An operation is one task.
func BenchmarkMap1MiB(b *testing.B) { largeComparison(b).run(b) }

func largeComparison(tb testing.TB) *comparison {
	tb.Helper()
	g := &goPool{open: pool.New}
	tb.Cleanup(func() { g.close(tb) })
	larges := newLarges(tb)
	return &comparison{
		contenders: []contender{
			{impl: "memcpy", do: copier(g)},
			{impl: "call", do: func(tb testing.TB, ops int) answer { return call(tb, g.messages(largeTasks, largeBytes), ops) }},
			{impl: "shmkit-handle", do: func(tb testing.TB, ops int) answer {
				return mapCalls(tb, g.get(tb), inChunks(endsOfLarge, 1), larges, ops, 0)
			}},
			{impl: "shmkit-bytes", do: func(tb testing.TB, ops int) answer {
				return mapCalls(tb, g.get(tb), inChunks(ends, 1), g.messages(largeTasks, largeBytes), ops, 0)
			}},
		},
		tasks: largeTasks,
		want:  func(ops int) int64 { return int64(ops) * sumTo(largeTasks) },
		first: 1, rounds: 25, budget: 10 * time.Millisecond, most: 100,
		finish: reportCopies,
	}
}

// copier copies messages.
func copier(g *goPool) func(testing.TB, int) answer {
	var to [largeTasks][]byte
	return func(_ testing.TB, ops int) (a answer) {
		messages := g.messages(largeTasks, largeBytes)
		if to[0] == nil {
			for i := range to {
				to[i] = make([]byte, largeBytes)
				writeBytes(to[i], 0)
				copy(to[i], messages[i]) // the kernel gives the memory now
			}
		}
		a.ns = make([]float64, ops)
		for i := range a.ns {
			start := time.Now()
			for j, m := range messages {
				copy(to[j], m)
			}
			a.ns[i] = float64(time.Since(start))
			for _, m := range to {
				a.total += int64(m[0]) // less than 256
			}
		}
		return a
	}
}

// call calls the function of the task in this process.
func call(tb testing.TB, messages [][]byte, ops int) (a answer) {
	tb.Helper()
	a.ns = make([]float64, ops)
	for i := range a.ns {
		start := time.Now()
		for _, m := range messages {
			number, err := readBytes(m, largeBytes)
			if err != nil {
				tb.Fatal(err)
			}
			a.total += int64(number)
		}
		a.ns[i] = float64(time.Since(start))
	}
	return a
}

// newLarges makes messages in shared memory, which end with tb.
func newLarges(tb testing.TB) (larges []large) {
	tb.Helper()
	seg, err := shm.Create(segmentIn(proctest.Dir(tb)), shm.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { seg.Close() })
	for i := range largeTasks {
		words, err := shm.NewRawArray[uint64](seg, fmt.Sprint(i), largeBytes/8)
		if err != nil {
			tb.Fatal(err)
		}
		words.Set(0, uint64(i))
		words.Set(words.Len()-1, uint64(i))
		larges = append(larges, large{words})
	}
	return larges
}

// reportCopies reports how much longer a task takes than a call, in copies of the message.
func reportCopies(b *testing.B, f figures, all []figures) {
	var copied, called float64
	for _, x := range all {
		switch x.impl {
		case "memcpy":
			copied = median(x.rounds)
		case "call":
			called = median(x.rounds)
		}
	}
	if strings.HasPrefix(f.impl, "shmkit") && copied > 0 && called > 0 {
		b.ReportMetric((median(f.rounds)-called)/copied, "memcpys-more")
	}
}

// TestMap1MiBRows does a few operations of each row.
func TestMap1MiBRows(t *testing.T) { largeComparison(t).test(t) }
