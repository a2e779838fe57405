//go:build linux

package bench

import (
	"context"
	"encoding/binary"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/queue/pipe"
	"github.com/shmkit/shmkit/shm"
)

// yieldValues are the values of one stream.
const yieldValues = 10_000

// yieldPayloads are the lengths of values. One of 8 bytes is a number, the others are []byte that
// begin with one.
var yieldPayloads = []struct {
	name  string
	bytes int
}{{"8B", 8}, {"1KiB", 1 << 10}}

// A yielded is the argument of a task that sends the numbers below N, each in so many bytes.
type yielded struct{ N, Bytes int }

// A yieldedTo is a yielded that goes by a queue, or a pipe.
type yieldedTo struct {
	yielded
	Queue *queue.SPSC[int64]
	Pipe  *pipe.Conn
}

var (
	yieldNumbers = pool.DefineStream("yield numbers", func(_ context.Context, a yielded) iter.Seq2[int64, error] {
		return func(yield func(int64, error) bool) {
			for i := int64(0); i < int64(a.N) && yield(i, nil); i++ {
			}
		}
	})
	yieldBytes = pool.DefineStream("yield bytes", func(_ context.Context, a yielded) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			b := make([]byte, a.Bytes)
			for i := range a.N {
				if binary.NativeEndian.PutUint64(b, uint64(i)); !yield(b, nil) {
					return
				}
			}
		}
	})
	putNumbers = pool.Define("put numbers", func(ctx context.Context, a yieldedTo) (int, error) {
		for i := range int64(a.N) {
			if err := a.Queue.Put(ctx, i); err != nil {
				return 0, err
			}
		}
		return a.N, nil
	})
	writeNumbers = pool.Define("write numbers", func(_ context.Context, a yieldedTo) (int, error) {
		defer a.Pipe.Close()
		b := make([]byte, a.Bytes)
		for i := range a.N {
			binary.NativeEndian.PutUint64(b, uint64(i))
			if _, err := a.Pipe.Write(b); err != nil {
				return 0, err
			}
		}
		return a.N, nil
	})
)

// BenchmarkYield has a task yield 10,000 values to the loop of its caller. An operation is one
// value. Beside it a task puts the same numbers into an SPSC, or writes them to a pipe, of which
// each value is one write and one read.
func BenchmarkYield(b *testing.B) {
	impls := pick(newPools(b), "shmkit", "local")
	for _, x := range yieldPayloads {
		b.Run("payload="+x.name, func(b *testing.B) { yieldComparison(b, impls, x.bytes).run(b) })
	}
}

// TestYieldRows does a few operations of each row.
func TestYieldRows(t *testing.T) {
	impls := pick(newPools(t), "shmkit", "local")
	for _, x := range yieldPayloads {
		t.Run("payload="+x.name, yieldComparison(t, impls, x.bytes).test)
	}
}

func yieldComparison(tb testing.TB, impls []poolImpl, size int) *comparison {
	cs := contenders(impls, func(tb testing.TB, p pooled, ops int) answer {
		return timedStreams(tb, ops, func(ctx context.Context) (total int64) {
			p, a := p.(*goPool).get(tb), yielded{yieldValues, size}
			if size > 8 {
				for b, err := range pool.Stream(ctx, p, yieldBytes, a) {
					needed(tb, err)
					total += int64(binary.NativeEndian.Uint64(b))
				}
				return total
			}
			for n, err := range pool.Stream(ctx, p, yieldNumbers, a) {
				needed(tb, err)
				total += n
			}
			return total
		})
	})
	c := &comparison{
		contenders: countingMallocs(cs, impls), tasks: yieldValues,
		want:  func(ops int) int64 { return int64(ops) * sumTo(yieldValues) },
		first: 1, rounds: 15, budget: 20 * time.Millisecond, most: 100,
	}
	if size == 8 {
		c.contenders = append(c.contenders, peerOfYield(impls[0], "spsc", size, newYieldQueue))
	}
	c.contenders = append(c.contenders, peerOfYield(impls[0], "pipe", size, newYieldPipe))
	return c
}

// timedStreams times so many streams, each of which returns the sum of its values.
func timedStreams(tb testing.TB, ops int, stream func(ctx context.Context) int64) (a answer) {
	tb.Helper()
	a.ns = make([]float64, ops)
	for i := range ops {
		start := time.Now()
		a.total += stream(context.Background())
		a.ns[i] = float64(time.Since(start))
	}
	return a
}

// peerOfYield is the contender with values that come by what open makes.
func peerOfYield(x poolImpl, impl string, size int, open func(tb testing.TB, seg *shm.Segment) (to yieldedTo, t *pool.Task[yieldedTo, int], next func(b []byte) int64)) contender {
	return contender{impl: impl, do: func(tb testing.TB, ops int) answer {
		p := x.pooled.(*goPool).get(tb)
		seg, err := shm.Anonymous(shm.Options{})
		needed(tb, err)
		defer seg.Close()
		return timedStreams(tb, ops, func(ctx context.Context) (total int64) {
			to, t, next := open(tb, seg)
			to.yielded = yielded{yieldValues, size}
			done, err := pool.ApplyAsync(ctx, p, t, to)
			needed(tb, err)
			b := make([]byte, size)
			for range yieldValues {
				total += next(b)
			}
			_, err = done.Get(ctx)
			needed(tb, err)
			return total
		})
	}}
}

func newYieldQueue(tb testing.TB, seg *shm.Segment) (to yieldedTo, t *pool.Task[yieldedTo, int], next func([]byte) int64) {
	q, err := queue.NewSPSC[int64](seg, "", 8192, queue.Options{})
	needed(tb, err)
	return yieldedTo{Queue: q}, putNumbers, func([]byte) int64 {
		n, err := q.Get(context.Background())
		needed(tb, err)
		return n
	}
}

func newYieldPipe(tb testing.TB, seg *shm.Segment) (to yieldedTo, t *pool.Task[yieldedTo, int], next func([]byte) int64) {
	c, err := pipe.New(seg, "", pipe.Options{})
	needed(tb, err)
	return yieldedTo{Pipe: c}, writeNumbers, func(b []byte) int64 {
		_, err := io.ReadFull(c, b)
		needed(tb, err)
		return int64(binary.NativeEndian.Uint64(b))
	}
}

func needed(tb testing.TB, err error) {
	if err != nil {
		tb.Fatal(err)
	}
}
