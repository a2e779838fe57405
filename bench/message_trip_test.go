//go:build linux

package bench

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"
)

// A conversation is one implementation of round trips, where it applies.
type conversation struct {
	impl  string
	kinds []string
	waits []string
	trip  func(tb testing.TB, ps *peers, p plan, kind string, size payload, wait string) outcome
}

var (
	allKinds = []string{"spsc", "queue", "bytes", "pipe"}
	allWaits = []string{"spin", "adaptive", "park", whileAsleep}
	sleeping = []string{"park"}
	rested   = []string{adaptiveAt1k, parkRested} // rows of BenchmarkVersus only
)

var conversations = []conversation{
	{"shmkit", append([]string{"spsc-inplace", "bytes-inplace"}, allKinds...), slices.Concat(rested, allWaits), tripShmkit},
	{"c", allKinds, slices.Concat(rested, allWaits), tripC},
	{"boost-lockfree", []string{"spsc", "queue"}, []string{"spin"}, tripLockfree},
	{"boost-mq", []string{"bytes"}, sleeping, tripMQ},
	{"python-queue", []string{"queue"}, sleeping, tripPython},
	{"python-pipe", []string{"pipe"}, sleeping, tripPython},
	{"unix-socket", []string{"pipe"}, slices.Concat(rested, []string{"park", whileAsleep}), tripConn("unix-socket")},
	{"os-pipe", []string{"pipe"}, []string{"park", whileAsleep}, tripConn("os-pipe")},
}

func tripShmkit(tb testing.TB, _ *peers, p plan, kind string, size payload, wait string) outcome {
	return raceJob(tb, messageJob(kind, size, wait), p)
}

// tripC copies the same messages as the toolkit: short ones, and all that go through a pipe.
func tripC(tb testing.TB, ps *peers, p plan, kind string, size payload, wait string) outcome {
	way := "copy"
	if size.long() && kind != "pipe" {
		way = "inplace"
	}
	args := append([]string{way, strconv.Itoa(size.bytes)}, waits[wait].ofPeer()...)
	return race(tb, p, 2*p.total(), ps.c(tb, "message_trip"), args...)
}

func tripLockfree(tb testing.TB, ps *peers, p plan, kind string, size payload, _ string) outcome {
	return race(tb, p, 2*p.total(), ps.boost(tb, "lockfree_trip"), kind, strconv.Itoa(size.bytes))
}

func tripMQ(tb testing.TB, ps *peers, p plan, _ string, size payload, _ string) outcome {
	return race(tb, p, 2*p.total(), ps.boost(tb, "mq_trip"), strconv.Itoa(size.bytes))
}

func tripPython(tb testing.TB, ps *peers, p plan, kind string, size payload, _ string) outcome {
	return ps.runPython(tb, p, 2*p.total(), "message", "trip", kind, strconv.Itoa(size.bytes))
}

func tripConn(name string) func(testing.TB, *peers, plan, string, payload, string) outcome {
	return func(tb testing.TB, _ *peers, p plan, _ string, size payload, wait string) outcome {
		return raceJob(tb, messageJob(name, size, wait), p)
	}
}

// messageRows are the rows of one kind, payload and wait.
func messageRows(ps *peers, kind string, size payload, wait string, cpus []int) (rows []budgeted) {
	for _, c := range conversations {
		if !slices.Contains(c.kinds, kind) || !slices.Contains(c.waits, wait) {
			continue
		}
		p := plan{rounds: 5, ops: 100, cpus: cpus, together: true}
		if wait != "spin" || size.bytes >= 1<<20 {
			p.ops = 10
		}
		rest := waits[wait].rest > 0
		most := int64(spinningRound)
		switch {
		case rest:
			// The pauses take nearly all of the time, so the plan stays as it is.
			p.ops, most = int64(50*time.Millisecond/waits[wait].rest), p.ops
		case wait == "park" || wait == whileAsleep:
			most = parkedRound
		}
		rows = append(rows, budgeted{impl: c.impl, plan: p, most: most, race: func(tb testing.TB, p plan) outcome {
			o := c.trip(tb, ps, p, kind, size, wait)
			switch {
			case wait == whileAsleep:
				o = o.withoutBusyTime(p)
			case rest:
				o = o.tripsOnly()
			}
			return o
		}})
	}
	return rows
}

// BenchmarkRoundTrip sends a message to another process and gets one of the same length back. Where
// a kind has Reserve and Peek, messages from 64 KiB on are written and read in place, their first
// and last word.
func BenchmarkRoundTrip(b *testing.B) {
	ps := newPeers(b)
	for _, kind := range allKinds {
		b.Run("kind="+kind, func(b *testing.B) {
			for _, size := range payloads {
				b.Run("payload="+size.name, func(b *testing.B) {
					for _, wait := range allWaits {
						b.Run("wait="+wait, func(b *testing.B) { benchMessages(b, ps, kind, size, wait) })
					}
				})
			}
		})
	}
	note("no rows %s of peers but c with wait=adaptive: they spin or they sleep", b.Name())
}

func benchMessages(b *testing.B, ps *peers, kind string, size payload, wait string) {
	for _, r := range messageRows(ps, kind, size, wait, cores(b, 2)) {
		r.run(b)
	}
	if wait != "park" {
		return
	}
	b.Run("placement=free", func(b *testing.B) {
		for _, r := range messageRows(ps, kind, size, wait, []int{anyCPU, anyCPU}) {
			r.run(b)
		}
	})
}

// TestMessageRows runs rows of BenchmarkRoundTrip with few operations.
func TestMessageRows(t *testing.T) {
	ps := newPeers(t)
	for _, kind := range allKinds {
		for _, size := range payloads {
			for _, wait := range allWaits {
				for _, r := range messageRows(ps, kind, size, wait, cores(t, 2)) {
					t.Run(fmt.Sprintf("%s/%s/%s/%s", kind, size.name, wait, r.impl), func(t *testing.T) { r.test(t) })
				}
			}
		}
	}
	for _, r := range messageRows(ps, "pipe", payloads[0], "park", []int{anyCPU, anyCPU}) {
		t.Run("free/"+r.impl, func(t *testing.T) { r.test(t) })
	}
}

// test runs the short measurement.
func (r budgeted) test(t *testing.T) {
	for i, round := range r.race(t, r.plan).rounds(r.plan) {
		if round.ns <= 0 {
			t.Errorf("round %d: impossible figures %+v", i, round)
		}
	}
}
