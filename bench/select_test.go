//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// selectImpls are the ways to wait for the first of three queues: a Get of the one that is used,
// which knows that it is, a Select, and a goroutine with a channel for each.
var selectImpls = []string{"get", "select", "chan"}

// selectModes are how two processes converse over three queues, of which one is used.
var selectModes = []struct {
	name   string
	policy shmsync.WaitPolicy
	rest   time.Duration // before each trip
	round  int64         // trips
}{
	{"parked", shmsync.Park, 0, parkedRound},
	{"rest", shmsync.Adaptive, 2 * time.Millisecond, 10},
	{"hot", shmsync.Adaptive, 0, spinningRound},
}

// selectBatches are how many messages of a stream a consumer takes for one wait.
var selectBatches = []int{64, 1}

func init() {
	for _, impl := range selectImpls {
		for _, m := range selectModes {
			jobs["select-"+m.name+"-"+impl] = job{
				open: func(seg *shm.Segment, l *lane) (leg, error) {
					return openSelect(seg, l, impl, m.policy, m.rest)
				},
				check:    checkTurns,
				together: true,
			}
		}
		for _, batch := range selectBatches {
			jobs[fmt.Sprintf("select-stream-%d-%s", batch, impl)] = job{
				open: func(seg *shm.Segment, l *lane) (leg, error) {
					return openSelectStream(seg, l, impl, batch)
				},
				check: func(_ *shm.Segment, t *track, total int64) error {
					if t.value != total/2 {
						return fmt.Errorf("%d messages, want %d", t.value, total/2)
					}
					return nil
				},
			}
		}
	}
}

// A selectSide is what one process has of three queues: how to put into the first, and how to take.
type selectSide struct {
	first *queue.Queue[int64]
	// take waits for a message of any of the queues, and takes more, up to a number, that are
	// there.
	take func(most int) (int, error)
}

func openSelectSide(seg *shm.Segment, impl string, policy shmsync.WaitPolicy) (s selectSide, err error) {
	var queues []*queue.Queue[int64]
	for i := range 3 {
		q, err := queue.NewQueue[int64](seg, fmt.Sprint("queue ", i), streamSlots, queue.Options{Wait: policy})
		if err != nil {
			return s, err
		}
		queues = append(queues, q)
	}
	s.first = queues[0]
	switch ctx := context.Background(); impl {
	case "get":
		s.take = func(most int) (int, error) {
			_, err := queues[0].Get(ctx)
			if err != nil {
				return 0, err
			}
			n, err := drain(queues[0], most-1)
			return n + 1, err
		}
	case "select":
		sel := shmsync.NewSelect(queues[0].Gets(), queues[1].Gets(), queues[2].Gets())
		s.take = func(most int) (n int, err error) {
			for n == 0 && err == nil {
				var i int
				if i, err = sel.Wait(ctx); err == nil {
					n, err = drain(queues[i], most)
				}
			}
			return n, err
		}
	case "chan":
		s.take = takeByChannels(queues)
	}
	return s, nil
}

// drain takes up to most messages, without waiting.
func drain(q *queue.Queue[int64], most int) (n int, err error) {
	for n < most && err == nil {
		if _, err = q.TryGet(); err == nil {
			n++
		}
	}
	if errors.Is(err, queue.ErrEmpty) {
		err = nil
	}
	return n, err
}

// takeByChannels has a goroutine for each queue, which gets its messages and sends them to a
// channel.
func takeByChannels(queues []*queue.Queue[int64]) (take func(int) (int, error)) {
	var from [3]chan int64
	for i, q := range queues {
		from[i] = make(chan int64)
		go func() {
			for {
				v, err := q.Get(context.Background())
				if err != nil {
					return
				}
				from[i] <- v // until the process ends
			}
		}()
	}
	return func(int) (int, error) {
		select {
		case <-from[0]:
		case <-from[1]:
		case <-from[2]:
		}
		return 1, nil
	}
}

// openSelect is a conversation: process 0 puts into one of three queues, process 1 waits for all of
// them and answers.
func openSelect(seg *shm.Segment, l *lane, impl string, policy shmsync.WaitPolicy, rest time.Duration) (leg, error) {
	back, err := queue.NewQueue[int64](seg, "back", streamSlots, queue.Options{Wait: policy})
	if err != nil {
		return nil, err
	}
	if l.number != 1 {
		impl = "get" // of which nothing is taken
	}
	s, err := openSelectSide(seg, impl, policy)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if l.number == 1 {
		return func(n int64) (int64, error) {
			for range n {
				if _, err := s.take(1); err != nil {
					return 0, err
				}
				l.track.value++
				if err := back.Put(ctx, 1); err != nil {
					return 0, err
				}
			}
			return uncounted, nil
		}, nil
	}
	return func(n int64) (int64, error) {
		for range n {
			if rest > 0 {
				time.Sleep(rest) // the rest is what the row is about
			}
			l.trips.start()
			l.track.value++
			if err := s.first.Put(ctx, 1); err != nil {
				return 0, err
			}
			if _, err := back.Get(ctx); err != nil {
				return 0, err
			}
			l.trips.add()
		}
		return uncounted, nil
	}, nil
}

// openSelectStream is a stream: process 0 puts into one of three queues, process 1 takes up to so
// many messages for each wait.
func openSelectStream(seg *shm.Segment, l *lane, impl string, batch int) (leg, error) {
	consumes := l.number == 1
	if !consumes {
		impl = "get"
	}
	s, err := openSelectSide(seg, impl, shmsync.Adaptive)
	if err != nil {
		return nil, err
	}
	return func(n int64) (int64, error) {
		for n > 0 {
			took := 1
			if consumes {
				took, err = s.take(int(min(n, int64(batch))))
				l.track.value += int64(took)
			} else {
				err = s.first.Put(context.Background(), 1)
			}
			if err != nil {
				return 0, err
			}
			n -= int64(took)
		}
		return uncounted, nil
	}, nil
}

// BenchmarkSelect compares a wait for the first of several queues with a Get of the one that is
// used. The rows that are ready need no other process: they are what a Wait costs that finds
// something.
func BenchmarkSelect(b *testing.B) {
	rowsOf := func(prefix string, round int64) (rows []row) {
		for _, impl := range selectImpls {
			rows = append(rows, row{impl, round, func(tb testing.TB, p plan) outcome {
				return raceJob(tb, prefix+impl, p)
			}})
		}
		return rows
	}
	for _, m := range selectModes {
		b.Run("sources=3/mode="+m.name, func(b *testing.B) {
			benchTrips(b, rowsOf("select-"+m.name+"-", m.round))
		})
	}
	for _, batch := range selectBatches {
		b.Run(fmt.Sprintf("sources=3/mode=stream%d", batch), func(b *testing.B) {
			bench(b, 2, rowsOf(fmt.Sprintf("select-stream-%d-", batch), nativeRound))
		})
	}
	for _, n := range []int{3, 40} {
		b.Run(fmt.Sprintf("sources=%d/mode=ready/impl=select", n), func(b *testing.B) { benchReady(b, n) })
	}
}

// benchReady waits for n queues, of which one has a message.
func benchReady(b *testing.B, n int) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer seg.Close()
	var sources []shmsync.Source
	for i := range n {
		q, err := queue.NewQueue[int64](seg, fmt.Sprint(i), 2, queue.Options{})
		if err == nil && i == n-1 {
			err = q.TryPut(1)
		}
		if err != nil {
			b.Fatal(err)
		}
		sources = append(sources, q.Gets())
	}
	s := shmsync.NewSelect(sources...)
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
