//go:build linux

package bench

import (
	"context"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// nothing is the task of a process, and idler is the role of the same process started by hand.
var (
	nothing = pool.Define("nothing", func(context.Context, int64) (int64, error) { return 0, nil })
	idler   = proctest.Register("idler", func([]string) {})
)

// BenchmarkProcessStart takes the time from the start of a process that does nothing until its end
// is known. The row os-exec is the same program started by package os/exec, without any of the
// toolkit.
func BenchmarkProcessStart(b *testing.B) { processComparison(newPools(b)).run(b) }

func processComparison(impls []poolImpl) *comparison {
	cs := []contender{{impl: "shmkit", do: startProcesses}, {impl: byHand, do: startByHand}}
	for _, x := range pick(impls, "python-fork", "python-spawn", "python-forkserver") {
		cs = append(cs, contender{impl: x.impl, do: func(tb testing.TB, ops int) answer {
			return x.pooled.(*pythonPool).ask(tb, "process", ops)
		}})
	}
	return &comparison{
		contenders: cs,
		want:       func(ops int) int64 { return int64(ops) }, // processes that ended well
		first:      2, shortly: 1, rounds: 25, budget: time.Second, most: 2,
		unit: milliseconds, finish: reportByHand,
	}
}

func startProcesses(tb testing.TB, ops int) (a answer) {
	tb.Helper()
	return timeStarts(ops, func() (well bool) {
		p, err := process.Start(context.Background(), nothing, 0, process.Options{})
		if err == nil {
			err = p.Join(context.Background())
		}
		if err != nil {
			tb.Fatal(err)
		}
		code, ended := p.ExitCode()
		return ended && code == 0
	})
}

func startByHand(tb testing.TB, ops int) (a answer) {
	tb.Helper()
	return timeStarts(ops, func() (well bool) {
		cmd := proctest.Exec(idler)
		err := proctest.StartBound(cmd)
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil {
			tb.Fatal(err)
		}
		return true
	})
}

func timeStarts(ops int, start func() (well bool)) (a answer) {
	a.ns = make([]float64, ops)
	for i := range a.ns {
		begin := time.Now()
		well := start()
		a.ns[i] = float64(time.Since(begin))
		if well {
			a.total++
		}
	}
	return a
}

// TestProcessStartRows does a few operations of each row.
func TestProcessStartRows(t *testing.T) { processComparison(newPools(t)).test(t) }
