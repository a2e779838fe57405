//go:build linux

package bench

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// BenchmarkVersus measures ratios of two implementations that take turns.
func BenchmarkVersus(b *testing.B) {
	ps := newPeers(b)
	for _, rows := range [][]versus{
		spinningVersus(b, ps), sleepingVersus(b, ps), lockVersus(b, ps), objectVersus(b, ps), restedVersus(b, ps), streamVersus(b, ps), castVersus(b),
	} {
		for _, v := range rows {
			v.run(b)
		}
	}
}

func rowOf(tb testing.TB, impl string, rows []budgeted) budgeted {
	i := slices.IndexFunc(rows, func(r budgeted) bool { return r.impl == impl })
	if i < 0 {
		tb.Fatalf("no row of %s", impl)
	}
	return rows[i]
}

// A placement says on which CPUs the two processes of a conversation run.
type placement struct {
	name string
	cpus []int
}

func placements(tb testing.TB) []placement {
	one := cores(tb, 1)[0]
	return []placement{
		{"", cores(tb, 2)},
		{"/placement=one", []int{one, one}},
		{"/placement=free", []int{anyCPU, anyCPU}},
	}
}

// spinningVersus are conversations of processes that never sleep.
func spinningVersus(b *testing.B, ps *peers) (vs []versus) {
	two := cores(b, 2)
	trip := func(impl, kind string, size payload) budgeted {
		return rowOf(b, impl, messageRows(ps, kind, size, "spin", two))
	}
	short, kilo, long := payloads[0], payloads[1], payloads[3]
	for _, x := range []struct {
		kind string
		size payload
	}{{"spsc", short}, {"queue", short}, {"pipe", short}, {"spsc", kilo}, {"spsc", long}} {
		vs = append(vs, versus{
			name: x.kind + "/payload=" + x.size.name + "/wait=spin", peer: "c",
			ours: trip("shmkit", x.kind, x.size), its: trip("c", x.kind, x.size),
		})
	}
	for _, kind := range []string{"spsc", "bytes"} {
		vs = append(vs, versus{
			name: kind + "/payload=1MiB/wait=spin", peer: "itself-64B",
			ours: trip("shmkit", kind+"-inplace", long), its: trip("shmkit", kind+"-inplace", short),
		})
	}
	return vs
}

// sleepingVersus are conversations of processes that sleep until the next message comes.
func sleepingVersus(b *testing.B, ps *peers) (vs []versus) {
	short, all := payloads[0], placements(b)
	trip := func(impl, kind, wait string, at placement) budgeted {
		return rowOf(b, impl, messageRows(ps, kind, short, wait, at.cpus))
	}
	add := func(kind, wait string, at placement, peer, peerKind string, show shown) {
		vs = append(vs, versus{
			name: kind + "/payload=64B/wait=" + wait + at.name, peer: peer,
			ours: trip("shmkit", kind, wait, at), its: trip(peer, peerKind, wait, at),
			show: show,
		})
	}
	for _, kind := range []string{"spsc", "queue"} {
		add(kind, whileAsleep, all[0], "c", kind, showCalls)
		for _, at := range all {
			add(kind, "park", at, "c", kind, showCalls|onlyAsleep)
		}
	}
	add("spsc", "park", all[2], "unix-socket", "pipe", 0)
	return vs
}

// sideOf makes one side of a comparison from the row of that implementation. A first measurement
// has the plan p; most is the number of timed operations in a round, at most.
func sideOf(impl string, rows []row, p plan, most int64) budgeted {
	r := rows[slices.IndexFunc(rows, func(r row) bool { return r.impl == impl })]
	return budgeted{impl: impl, plan: p, most: most, race: r.race}
}

// lockVersus is a lock that two processes contend for, beside the robust mutex of glibc.
func lockVersus(b *testing.B, ps *peers) []versus {
	side := func(impl string) budgeted {
		p := plan{rounds: 5, ops: nativeRound / 20, cpus: cores(b, 2)}
		return sideOf(impl, lockRows(ps, "increment"), p, nativeRound)
	}
	return []versus{{name: "lock/procs=2", peer: "glibc-robust", ours: side("shmkit"), its: side("glibc-robust")}}
}

// objectVersus are events, condition variables and barriers that never spin. The two processes of a
// barrier come to it at nearly the same time, so that on two processors the first seldom sleeps in
// glibc: the last comes while it is on its way. On one processor the first has to sleep.
func objectVersus(b *testing.B, ps *peers) (vs []versus) {
	add := func(object string, at placement) {
		side := func(impl string) budgeted {
			p := plan{rounds: 5, ops: 10, cpus: at.cpus, together: true}
			return sideOf(impl, tripRows(ps, object), p, parkedRound)
		}
		vs = append(vs, versus{
			name: object + "/wait=park" + at.name, peer: "glibc",
			ours: side("shmkit-parked"), its: side("glibc-pshared"),
			show: showCalls,
		})
	}
	all := placements(b)
	for _, object := range []string{"event", "cond", "barrier"} {
		add(object, all[0])
	}
	add("barrier", all[1])
	return vs
}

// restedVersus are conversations with a pause before each message, in which both sides go to sleep.
func restedVersus(b *testing.B, ps *peers) (vs []versus) {
	at := placements(b)
	trip := func(impl, kind, wait string, at placement) budgeted {
		return rowOf(b, impl, messageRows(ps, kind, payloads[0], wait, at.cpus))
	}
	for _, peer := range []struct{ impl, kind string }{{"c", "spsc"}, {"unix-socket", "pipe"}} {
		vs = append(vs, versus{
			name: "spsc/payload=64B/wait=" + adaptiveAt1k, peer: peer.impl,
			ours: trip("shmkit", "spsc", adaptiveAt1k, at[0]), its: trip(peer.impl, peer.kind, adaptiveAt1k, at[0]),
			show: showPercentiles,
		})
	}
	for _, at := range []placement{placements(b)[0], placements(b)[2]} {
		vs = append(vs, versus{
			name: "apply/rest=10ms" + at.name, peer: "c",
			ours: applyRested{at}, its: trip("c", "spsc", parkRested, at),
			show: showPercentiles,
		})
	}
	return vs
}

// applyRested is a task for a worker that sleeps, and its caller sleeps until the result is there.
// The caller's thread and the worker run on the CPUs of the peer's two processes.
type applyRested struct{ at placement }

func (a applyRested) turns(b *testing.B, n int) func() turn {
	ops := 20
	if n == 1 {
		ops = 2
	}
	o := pool.Options{Workers: 1}
	if cpu := a.at.cpus[1]; cpu != anyCPU {
		o.CPUs = []int{cpu}
	}
	p, err := pool.New(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	})
	return func() turn {
		unpin, err := pin(a.at.cpus[0])
		if err != nil {
			b.Fatal(err)
		}
		defer unpin()
		each := make([]float64, ops)
		for i := range each {
			sleepThread(coldPause)
			start := time.Now()
			if _, err := pool.Apply(context.Background(), p, square, int64(i)); err != nil {
				b.Fatal(err)
			}
			each[i] = float64(time.Since(start))
		}
		return turn{ns: median(each), each: each, ops: int64(ops)}
	}
}

// streamVersus are streams from one process to another.
func streamVersus(b *testing.B, ps *peers) (vs []versus) {
	for _, x := range []struct {
		kind  string
		batch int
		peer  string
	}{
		{"spsc", 1, "boost-lockfree"}, {"spsc", 64, "boost-lockfree"}, {"spsc", 64, "c"},
		{"queue", 1, "boost-lockfree"}, {"pipe", 1024, "unix-socket"},
	} {
		flow := func(impl string) budgeted { return rowOf(b, impl, streamRows(b, ps, x.kind, oneToOne, x.batch)) }
		vs = append(vs, versus{
			name: fmt.Sprintf("%s/batch=%d", x.kind, x.batch), peer: x.peer,
			ours: flow("shmkit"), its: flow(x.peer),
		})
	}
	return vs
}
