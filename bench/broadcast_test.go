//go:build linux

package bench

import (
	"fmt"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A casting is one implementation of streams to all readers, for which the writers wait, or of what
// such a stream is compared with.
type casting struct {
	impl       string
	size       payload
	topologies []topology // writers and readers
	open       streamer   // nil: one process copies
}

// castings, by the length of messages. Two readers share a core, and so do two writers.
var castings = []casting{
	{"shmkit", payloads[0], []topology{oneToOne, oneToTwo}, streamCast(queue.Options{})},
	{"shmkit-many", payloads[0], []topology{oneToOne, oneToTwo, twoToOne}, streamCast(queue.Options{Writers: queue.Many})},
	{"shmkit-bytes", payloads[0], []topology{oneToOne, oneToTwo}, streamCastBytes},
	{"spsc", payloads[0], []topology{oneToOne}, streamSPSC},
	{"bytes", payloads[0], []topology{oneToOne}, streamBytes},
	{"queue", payloads[0], []topology{twoToOne}, streamQueue},
	{"shmkit-bytes", payloads[3], []topology{oneToOne, oneToTwo, oneToFour}, streamCastInPlace},
	{"copy", payloads[3], []topology{oneToOne, oneToTwo, oneToFour}, nil},
}

// oneToFour is more than other streams have.
var oneToFour = topology{1, 4}

func init() {
	for _, c := range castings {
		for _, t := range c.topologies {
			if c.open == nil {
				jobs[c.job(t)] = job{open: openCastCopy, check: checkThroughput, together: true, untimed: true}
				continue
			}
			j := streamOf(c.flow(), t, 1, c.open)
			j.check = func(_ *shm.Segment, tr *track, total int64) error { return checkCast(tr, t, total) }
			jobs[c.job(t)] = j
		}
	}
}

func (c casting) flow() flow            { return flow{kind: "cast", impl: c.impl} }
func (c casting) job(t topology) string { return streamJob(c.flow(), t, 1) + "/" + c.size.name }
func (c casting) cpus(tb testing.TB, t topology) []int {
	if c.open == nil {
		return cores(tb, 1)
	}
	return t.cpus(tb)
}

// checkCast fails unless each reader got as many messages as were put, each once.
func checkCast(tr *track, t topology, total int64) error {
	if tr.broadcast.Load() {
		total *= int64(t.consumers)
	}
	return checkStream(tr, t, total)
}

// castRows are the rows of a topology, with messages of that length.
func castRows(tb testing.TB, t topology, size payload) (rows []budgeted) {
	for _, c := range castings {
		if c.size != size || !slices.Contains(c.topologies, t) {
			continue
		}
		p := plan{rounds: 3, ops: 2048, cpus: c.cpus(tb, t), together: true, untimed: true}
		if size.long() {
			p.ops = 64
		}
		rows = append(rows, budgeted{impl: c.impl, plan: p, race: func(tb testing.TB, p plan) outcome {
			return raceJob(tb, c.job(t), p)
		}})
	}
	return rows
}

// eachCast calls f for every topology and length of messages that there are rows of, and for how
// they are called.
func eachCast(f func(name string, t topology, size payload)) {
	for _, size := range payloads {
		for _, t := range append(topologies, oneToFour) {
			if !slices.ContainsFunc(castings, func(c casting) bool { return c.size == size && slices.Contains(c.topologies, t) }) {
				continue
			}
			name := fmt.Sprintf("readers=%d/payload=%s", t.consumers, size.name)
			if t.producers > 1 {
				name = fmt.Sprintf("writers=%d/", t.producers) + name
			}
			f(name, t, size)
		}
	}
}

// BenchmarkBroadcast sends each message to all readers, for which the writers wait.
func BenchmarkBroadcast(b *testing.B) {
	eachCast(func(name string, t topology, size payload) {
		b.Run(name, func(b *testing.B) {
			for _, r := range castRows(b, t, size) {
				r.run(b)
			}
		})
	})
}

// TestBroadcastRows runs every row of BenchmarkBroadcast with few operations.
func TestBroadcastRows(t *testing.T) {
	eachCast(func(name string, topology topology, size payload) {
		for _, r := range castRows(t, topology, size) {
			t.Run(name+"/"+r.impl, func(t *testing.T) { r.test(t) })
		}
	})
}

// castVersus are streams to readers beside those to one consumer, and messages that readers look at
// in place beside one copy.
func castVersus(b *testing.B) (vs []versus) {
	short, long := payloads[0], payloads[3]
	add := func(impl string, t topology, size payload, peer string, its topology) {
		name := fmt.Sprintf("broadcast/writers=%d/readers=%d/payload=%s/what=%s", t.producers, t.consumers, size.name, impl)
		vs = append(vs, versus{
			name: name, peer: peer,
			ours: rowOf(b, impl, castRows(b, t, size)), its: rowOf(b, peer, castRows(b, its, size)),
			show: showCalls,
		})
	}
	add("shmkit", oneToOne, short, "spsc", oneToOne)
	add("shmkit-many", oneToOne, short, "spsc", oneToOne)
	add("shmkit-bytes", oneToOne, short, "spsc", oneToOne)
	add("shmkit-bytes", oneToOne, short, "bytes", oneToOne)
	add("shmkit", oneToTwo, short, "spsc", oneToOne)
	add("shmkit-many", twoToOne, short, "queue", twoToOne)
	for _, t := range []topology{oneToOne, oneToTwo, oneToFour} {
		add("shmkit-bytes", t, long, "copy", t)
	}
	return vs
}
