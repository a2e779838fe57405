//go:build linux

package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func init() {
	for ending, policy := range policies {
		jobs["event"+ending] = job{
			open:     func(seg *shm.Segment, l *lane) (leg, error) { return openEvents(seg, l, policy) },
			check:    checkTurns,
			together: true,
		}
	}
}

func openEvents(seg *shm.Segment, l *lane, policy shmsync.WaitPolicy) (leg, error) {
	var events [2]*shmsync.Event
	for i := range events {
		var err error
		if events[i], err = shmsync.NewEvent(seg, fmt.Sprint("event ", i), shmsync.EventOptions{Wait: policy}); err != nil {
			return nil, err
		}
	}
	there, back := events[0], events[1]
	if l.number == 1 {
		return func(n int64) (int64, error) { return uncounted, answerEvents(l.track, n, there, back) }, nil
	}
	return func(n int64) (int64, error) { return uncounted, sendEvents(l, n, there, back) }, nil
}

func sendEvents(l *lane, n int64, there, back *shmsync.Event) error {
	ctx := context.Background()
	l.trips.start()
	for range n {
		l.track.value++
		there.Set()
		if err := back.Wait(ctx); err != nil {
			return err
		}
		back.Clear()
		l.trips.add()
	}
	return nil
}

func answerEvents(t *track, n int64, there, back *shmsync.Event) error {
	ctx := context.Background()
	for range n {
		if err := there.Wait(ctx); err != nil {
			return err
		}
		there.Clear()
		t.value++
		back.Set()
	}
	return nil
}

// checkTurns fails unless both processes have counted each trip, one after the other.
func checkTurns(_ *shm.Segment, t *track, total int64) error {
	if t.value != 2*total {
		return fmt.Errorf("the processes had %d turns in %d trips", t.value, total)
	}
	return nil
}

// BenchmarkEventRoundTrip sets an event that the other process awaits, and awaits the one that the
// other sets.
func BenchmarkEventRoundTrip(b *testing.B) { benchTrips(b, tripRows(newPeers(b), "event")) }
