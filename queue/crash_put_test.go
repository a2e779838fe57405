//go:build crashtest

package queue

import (
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

// putCounts says how often message 99 comes out after a put that passed these points, and how often
// it is abandoned.
func putCounts(points []string) (comes, abandoned uint64) {
	switch {
	case slices.Contains(points, "queue.published"):
		return 1, 0
	case slices.Contains(points, "queue.claimed"):
		return 0, 1
	}
	return 0, 0
}

func TestCrashInPut(t *testing.T) {
	sweep(t, scene{op: "put", capacity: 4, fill: 2, after: func(t *testing.T, q *Queue[checked], points []string) {
		comes, abandoned := putCounts(points)
		putChecked(t, q, 3, 3)
		getChecked(t, q, 1, 2)
		if comes == 1 {
			getChecked(t, q, 99, 99)
		}
		getChecked(t, q, 3, 3)
		wantAbandoned(t, q, abandoned)
	}})
}

// The put that dies has to wake a consumer.
func TestCrashInPutWhileAConsumerSleeps(t *testing.T) {
	type result struct {
		v   checked
		err error
	}
	results := make(chan result, 1)
	sweep(t, scene{
		op: "put", capacity: 4,
		before: func(t *testing.T, q *Queue[checked], path string) {
			go func() {
				v, err := q.Get(background)
				results <- result{v, err}
			}()
			asleep.Await(t, q.o.Seg, 1)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := putCounts(points)
			want := uint64(99)
			if comes == 0 {
				putChecked(t, q, 3, 3)
				want = 3
			}
			select {
			case r := <-results:
				if r.err != nil || r.v != messageOf(want) {
					t.Errorf("got %v, %v, want message %d", r.v, r.err, want)
				}
			case <-time.After(proctest.Hang):
				t.Error("the consumer sleeps on")
				q.Close()
			}
			wantAbandoned(t, q, abandoned)
		},
	})
}

// The put that dies waits for room, and is woken or not.
func TestCrashInPutThatWaits(t *testing.T) {
	sweep(t, scene{
		op: "put", capacity: 2, fill: 2,
		during: func(t *testing.T, q *Queue[checked]) {
			getChecked(t, q, 1, 1)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := putCounts(points)
			getChecked(t, q, 2, 2)
			if comes == 1 {
				getChecked(t, q, 99, 99)
			}
			drained(t, q)
			wantAbandoned(t, q, abandoned)
		},
	})
}
