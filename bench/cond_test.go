//go:build linux

package bench

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func init() {
	for ending, policy := range policies {
		jobs["cond"+ending] = job{
			open:     func(seg *shm.Segment, l *lane) (leg, error) { return openTurns(seg, l, policy) },
			check:    checkTurns,
			together: true,
		}
	}
}

// turns pass to and fro between two processes.
type turns struct {
	*lane
	m    *shmsync.Mutex
	cond *shmsync.Cond
}

func openTurns(seg *shm.Segment, l *lane, policy shmsync.WaitPolicy) (leg, error) {
	m, err := shmsync.NewMutex(seg, "lock", shmsync.MutexOptions{Wait: policy})
	if err != nil {
		return nil, err
	}
	cond, err := shmsync.NewCond(seg, "cond", shmsync.CondOptions{Wait: policy})
	if err != nil {
		return nil, err
	}
	t := turns{l, m, cond}
	trip := t.send
	if l.number == 1 {
		trip = t.answer
	}
	return func(n int64) (int64, error) {
		if l.number == 0 {
			l.trips.start()
		}
		for range n {
			if err := trip(); err != nil {
				return 0, err
			}
		}
		return uncounted, nil
	}, nil
}

// send passes the turn on and awaits it.
func (t turns) send() error {
	ctx := context.Background()
	if err := t.m.Lock(ctx); err != nil {
		return err
	}
	t.pass()
	if err := t.await(ctx); err != nil {
		return err
	}
	t.m.Unlock()
	t.trips.add()
	return nil
}

// answer awaits the turn and passes it on.
func (t turns) answer() error {
	ctx := context.Background()
	if err := t.m.Lock(ctx); err != nil {
		return err
	}
	if err := t.await(ctx); err != nil {
		return err
	}
	t.pass()
	t.m.Unlock()
	return nil
}

func (t turns) pass() {
	t.track.value++
	t.track.turn = int64(1 - t.number)
	t.cond.Signal()
}

func (t turns) await(ctx context.Context) error {
	for t.track.turn != int64(t.number) {
		if err := t.cond.Wait(ctx, t.m); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkCondRoundTrip passes a turn to the other process and awaits its own, under one lock and
// with one condition variable.
func BenchmarkCondRoundTrip(b *testing.B) { benchTrips(b, tripRows(newPeers(b), "cond")) }
