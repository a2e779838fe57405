//go:build linux

package bench

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/shm"
)

// A topology says how many processes put messages, and how many get them.
type topology struct{ producers, consumers int }

func (t topology) String() string { return fmt.Sprintf("%dp%dc", t.producers, t.consumers) }

// cpus gives the producers one core and the consumers another.
func (t topology) cpus(tb testing.TB) []int {
	two := cores(tb, 2)
	return append(slices.Repeat(two[:1], t.producers), slices.Repeat(two[1:2], t.consumers)...)
}

var (
	oneToOne   = topology{1, 1}
	twoToOne   = topology{2, 1}
	oneToTwo   = topology{1, 2}
	twoToTwo   = topology{2, 2}
	topologies = []topology{oneToOne, twoToOne, oneToTwo, twoToTwo}
)

// A flow is one implementation of streams, where it applies.
type flow struct {
	kind, impl string
	topologies []topology
	batches    []int
	stream     func(tb testing.TB, ps *peers, p plan, f flow, t topology, batch int) outcome
}

var flows = []flow{
	{"spsc", "shmkit", topologies[:1], []int{1, 64}, streamShmkit},
	{"spsc", "c", topologies[:1], []int{1, 64}, streamC},
	{"spsc", "boost-lockfree", topologies[:1], []int{1, 64}, streamLockfree},
	{"queue", "shmkit", topologies, []int{1, 64}, streamShmkit},
	{"queue", "c", topologies, []int{1, 64}, streamC},
	{"queue", "boost-lockfree", topologies, []int{1}, streamLockfree},
	{"queue", "python-queue", topologies, []int{1}, streamPython},
	{"bytes", "shmkit", topologies, []int{1, 64}, streamShmkit},
	{"bytes", "c", topologies, []int{1, 64}, streamC},
	{"bytes", "boost-mq", topologies, []int{1}, streamMQ},
	{"pipe", "shmkit", topologies[:1], []int{1, 64, 1024}, streamShmkit},
	{"pipe", "c", topologies[:1], []int{1, 64, 1024}, streamC},
	{"pipe", "python-pipe", topologies[:1], []int{1}, streamPython},
	{"pipe", "unix-socket", topologies[:1], []int{1, 64, 1024}, streamShmkit},
	{"pipe", "os-pipe", topologies[:1], []int{1, 64, 1024}, streamShmkit},
	{"broadcast", "shmkit", []topology{oneToOne, oneToTwo}, []int{1, 64}, streamShmkit},
	{"broadcast", "c", []topology{oneToOne, oneToTwo}, []int{1, 64}, streamC},
}

// readers returns the number of processes that get each message.
func (f flow) readers(t topology) int64 {
	if f.kind == "broadcast" {
		return int64(t.consumers)
	}
	return 1
}

// streamShmkit runs the streams that are written in Go: those of the toolkit, and those through
// sockets and pipes of the operating system.
func streamShmkit(tb testing.TB, _ *peers, p plan, f flow, t topology, batch int) outcome {
	return raceJob(tb, streamJob(f, t, batch), p)
}

func streamC(tb testing.TB, ps *peers, p plan, f flow, t topology, batch int) outcome {
	return race(tb, p, p.total()*f.readers(t), ps.c(tb, "message_stream"), f.kind, strconv.Itoa(batch), strconv.Itoa(t.producers))
}

func streamLockfree(tb testing.TB, ps *peers, p plan, f flow, t topology, batch int) outcome {
	return race(tb, p, p.total(), ps.boost(tb, "lockfree_stream"), f.kind, strconv.Itoa(batch), strconv.Itoa(t.producers))
}

func streamMQ(tb testing.TB, ps *peers, p plan, _ flow, t topology, _ int) outcome {
	return race(tb, p, p.total(), ps.boost(tb, "mq_stream"), strconv.Itoa(t.producers))
}

func streamPython(tb testing.TB, ps *peers, p plan, f flow, t topology, _ int) outcome {
	return ps.runPython(tb, p, p.total(), "message", "stream", f.kind, strconv.Itoa(t.producers))
}

func init() {
	for _, f := range flows {
		open, ok := streamers[f.kind+"/"+f.impl]
		for _, t := range f.topologies {
			for _, batch := range f.batches {
				if ok {
					jobs[streamJob(f, t, batch)] = streamOf(f, t, batch, open)
				}
			}
		}
	}
}

func streamJob(f flow, t topology, batch int) string {
	return fmt.Sprintf("stream/%s/%s/%v/%d", f.kind, f.impl, t, batch)
}

func streamOf(f flow, t topology, batch int, open streamer) job {
	return job{
		open: func(seg *shm.Segment, l *lane) (leg, error) {
			s := &stream{lane: l, topology: t, batch: batch}
			put, get, err := open(seg, s)
			if err != nil || l.number == noProcess {
				return nil, err
			}
			futex.Register() // before the first message: while it runs, messages take longer
			return s.leg(put, get), nil
		},
		check: func(_ *shm.Segment, tr *track, total int64) error {
			return checkStream(tr, t, total*f.readers(t))
		},
		together: true,
		untimed:  true,
	}
}

// streamRows are the rows of a kind, a topology and a batch.
func streamRows(tb testing.TB, ps *peers, kind string, t topology, batch int) (rows []budgeted) {
	for _, f := range flows {
		if f.kind != kind || !slices.Contains(f.topologies, t) || !slices.Contains(f.batches, batch) {
			continue
		}
		p := plan{rounds: 3, ops: 2048, cpus: t.cpus(tb), together: true, untimed: true}
		r := budgeted{impl: f.impl, plan: p, race: func(tb testing.TB, p plan) outcome {
			return f.stream(tb, ps, p, f, t, batch)
		}}
		if kind == "broadcast" {
			r.finish = func(b *testing.B, o outcome, p plan) {
				b.ReportMetric(100*float64(o.lost)/float64(p.total()*f.readers(t)), "lost-%")
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// eachStream calls f for every kind, topology and batch that there are rows of.
func eachStream(f func(kind string, t topology, batch int)) {
	for _, kind := range []string{"spsc", "queue", "bytes", "pipe", "broadcast"} {
		for _, t := range topologies {
			for _, batch := range []int{1, 64, 1024} {
				if slices.ContainsFunc(flows, func(f flow) bool {
					return f.kind == kind && slices.Contains(f.topologies, t) && slices.Contains(f.batches, batch)
				}) {
					f(kind, t, batch)
				}
			}
		}
	}
}

// BenchmarkStream sends messages of 64 bytes one way. A batch is put by one call; a call that gets
// takes as much of it as is there. Through a pipe a batch is one write.
func BenchmarkStream(b *testing.B) {
	ps := newPeers(b)
	eachStream(func(kind string, t topology, batch int) {
		b.Run(fmt.Sprintf("kind=%s/topology=%v/batch=%d", kind, t, batch), func(b *testing.B) {
			for _, r := range streamRows(b, ps, kind, t, batch) {
				r.run(b)
			}
		})
	})
}

// TestStreamRows runs every row of BenchmarkStream with few operations.
func TestStreamRows(t *testing.T) {
	ps := newPeers(t)
	eachStream(func(kind string, topology topology, batch int) {
		for _, r := range streamRows(t, ps, kind, topology, batch) {
			t.Run(fmt.Sprintf("%s/%v/%d/%s", kind, topology, batch, r.impl), func(t *testing.T) { r.test(t) })
		}
	})
}
