//go:build linux

package bench

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// throughputKinds are the ways by which BenchmarkThroughput sends messages.
var throughputKinds = []struct{ kind, impl string }{
	{"spsc", "shmkit"}, {"bytes", "shmkit"}, {"pipe", "shmkit"}, {"pipe", "unix-socket"}, {"pipe", "os-pipe"},
}

// throughputLinker returns the linker of whole messages. Those of a conversation are written and
// read in place when they are long, and there only their first and last words.
func throughputLinker(kind, impl string) linker {
	switch {
	case kind == "spsc":
		return linkFixed(queueLinker{copySPSC[[8]uint64], copySPSC[[128]uint64], copySPSC[[8192]uint64], copySPSC[[131072]uint64]})
	case kind == "bytes":
		return linkBytes(linkCopies)
	case impl == "shmkit":
		return linkers[kind]
	}
	return linkers[impl]
}

// copySPSC opens an SPSC. Each message is copied into its place from memory of the producer, and
// out of it to memory of the consumer.
func copySPSC[T message](seg *shm.Segment, name string, policy shmsync.WaitPolicy) (link, error) {
	q, err := queue.NewSPSC[T](seg, name, conversationSlots, queue.Options{Wait: policy})
	out, in := new(T), new(T)
	return link{
		send: func(number uint64) error {
			writeWords(out, number)
			place, err := q.Reserve(background)
			if err != nil {
				return err
			}
			*place.Value = *out
			return place.Commit()
		},
		receive: func() (uint64, error) {
			place, err := q.Peek(background)
			if err != nil {
				return 0, err
			}
			*in = *place.Value
			if err := place.Release(); err != nil {
				return 0, err
			}
			return readWords(in)
		},
	}, err
}

func init() {
	for _, x := range throughputKinds {
		for _, size := range payloads {
			jobs[throughputJob(x.kind, x.impl, size)] = job{
				open: func(seg *shm.Segment, l *lane) (leg, error) {
					return openThroughput(seg, l, throughputLinker(x.kind, x.impl), size)
				},
				check:    checkThroughput,
				together: true,
				untimed:  true,
			}
		}
	}
}

func throughputJob(kind, impl string, size payload) string {
	return "throughput/" + kind + "/" + impl + "/" + size.name
}

// openThroughput has process 0 send messages and process 1 receive them.
func openThroughput(seg *shm.Segment, l *lane, open linker, size payload) (leg, error) {
	k, err := open(seg, l, size.bytes, shmsync.Adaptive)
	if err != nil || l.number == noProcess {
		return nil, err
	}
	futex.Register() // before the first message: while it runs, messages take longer
	number := uint64(0)
	return func(n int64) (int64, error) {
		for end := number + uint64(n); number < end; {
			number++
			if l.number == 0 {
				err = k.send(number)
			} else {
				err = k.expect(number)
			}
			if err != nil {
				return uncounted, err
			}
		}
		if l.number == 1 {
			l.track.sum.Add(n)
		}
		return uncounted, nil
	}, nil
}

// checkThroughput fails unless all messages were received.
func checkThroughput(_ *shm.Segment, t *track, total int64) error {
	if got := t.sum.Load(); got != total {
		return fmt.Errorf("%d messages were received of %d", got, total)
	}
	return nil
}

// BenchmarkThroughput sends messages of one length after the other one way, as fast as the receiver
// takes them. Both copy each message: the sender from memory of its own, the receiver to such.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range payloads {
		b.Run("payload="+size.name, func(b *testing.B) {
			for _, r := range throughputRows(b, size) {
				r.run(b)
			}
		})
	}
}

func throughputRows(tb testing.TB, size payload) (rows []budgeted) {
	for _, x := range throughputKinds {
		p := plan{rounds: 3, ops: 64, cpus: cores(tb, 2), together: true, untimed: true}
		impl := x.impl
		if impl == "shmkit" {
			impl += "-" + x.kind
		}
		rows = append(rows, budgeted{
			impl: impl, plan: p,
			race: func(tb testing.TB, p plan) outcome { return raceJob(tb, throughputJob(x.kind, x.impl, size), p) },
			finish: func(b *testing.B, o outcome, p plan) {
				ns := nsOf(quietRounds(o.rounds(p)))
				b.ReportMetric(float64(size.bytes)/median(ns)*1e3, "MB/s")
			},
		})
	}
	return rows
}

// TestThroughputRows sends a few messages of each row.
func TestThroughputRows(t *testing.T) {
	for _, size := range payloads {
		for _, r := range throughputRows(t, size) {
			t.Run(size.name+"/"+r.impl, func(t *testing.T) { r.test(t) })
		}
	}
}
