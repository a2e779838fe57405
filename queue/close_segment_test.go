package queue

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/ring/mpmc"
	"github.com/shmkit/shmkit/shm"
)

// The close of the segment ends this process's waits, and leaves the queue to others.
func TestSegmentClose(t *testing.T) {
	q, path := namedQueue[int64](t, 1, Options{})
	other, err := shm.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	q2, err := OpenQueue[int64](other, "q", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var waited error
	done := proctest.MustBlock(t, func() { waited = getOne(background, q2) })
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	for _, err := range []error{waited, q2.TryPut(1), putOne(background, q2), getOne(background, q2), q2.Close()} {
		if !errors.Is(err, shm.ErrClosed) || !errors.Is(err, os.ErrClosed) || errors.Is(err, ErrClosed) {
			t.Errorf("after the close of the segment: %v", err)
		}
	}
	for v, err := range q2.All(background) {
		if v != 0 || !errors.Is(err, shm.ErrClosed) {
			t.Errorf("All yields %v, %v", v, err)
		}
	}
	mustPut(t, q, 5)
	mustGet(t, q, 5)
}

// The close of the segment waits for a message that is being copied.
func TestSegmentCloseWaitsForClaims(t *testing.T) {
	q, path := namedQueue[int64](t, 2, Options{})
	other := reopen(t, path)
	leaving, err := OpenQueue[int64](other, "q", Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, q, 1)
	taken, got, _, err := leaving.r.ClaimGet()
	if err != nil {
		t.Fatal(err)
	}
	s, put, _, err := leaving.r.ClaimPut()
	if err != nil {
		t.Fatal(err)
	}
	closed := proctest.MustBlock(t, func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	*mpmc.Value[int64](s) = 2
	leaving.r.Publish(s, put)
	if err := leaving.r.Release(taken, got); err != nil {
		t.Error(err)
	}
	<-closed
	mustGet(t, q, 2)
	mustPut(t, q, 3, 4)
	mustGet(t, q, 3, 4)
	if s := q.Stats(); s.Abandoned != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Goroutines that use the queue while their process closes the segment either succeed or are told.
// Nothing is doubled, or left half-way for the others; what is lost is counted.
func TestSegmentCloseInFlight(t *testing.T) {
	for range 20 {
		q, path := namedQueue[int64](t, 2, Options{})
		other, err := shm.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		leaving, err := OpenQueue[int64](other, "q", Options{})
		if err != nil {
			t.Fatal(err)
		}
		var put, got [2]int64 // by the one that stays, by the one that leaves
		var all sync.WaitGroup
		move := func(i int, q *Queue[int64], stop <-chan struct{}) {
			all.Go(func() {
				for err := error(nil); !errors.Is(err, shm.ErrClosed) && !isDone(stop); {
					if err = q.TryPut(1); err == nil {
						put[i]++
					}
				}
			})
			all.Go(func() {
				for err := error(nil); !errors.Is(err, shm.ErrClosed) && !isDone(stop); {
					if _, err = q.TryGet(); err == nil {
						got[i]++
					}
				}
			})
		}
		stop := make(chan struct{})
		move(0, q, stop)
		move(1, leaving, nil)
		proctest.Stagger(2 * time.Millisecond)
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		proctest.Stagger(2 * time.Millisecond)
		close(stop)
		all.Wait()
		for {
			if _, err := q.TryGet(); err != nil {
				wantErr(t, err, ErrEmpty)
				break
			}
			got[0]++
		}
		// A claim that the process had when it was detached is counted when its slot is needed.
		mustPut(t, q, 1, 2)
		wantErr(t, q.TryPut(3), ErrFull)
		mustGet(t, q, 1, 2)
		s := q.Stats()
		if lost := put[0] + put[1] - got[0] - got[1]; lost < 0 || lost > int64(s.Abandoned) || s.Abandoned > 2 {
			t.Fatalf("put %v, got %v, stats %+v", put, got, s)
		}
	}
}

func isDone(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}
