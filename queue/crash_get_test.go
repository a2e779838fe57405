//go:build crashtest

package queue

import (
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

// getCounts says the same of a get of one message that was in the queue.
func getCounts(points []string) (comes, abandoned uint64) {
	switch {
	case slices.Contains(points, "queue.released"):
		return 0, 0
	case slices.Contains(points, "queue.taken"):
		return 0, 1
	}
	return 1, 0
}

func TestCrashInGet(t *testing.T) {
	sweep(t, scene{op: "get", capacity: 4, fill: 3, after: func(t *testing.T, q *Queue[checked], points []string) {
		comes, abandoned := getCounts(points)
		if comes == 1 {
			getChecked(t, q, 1, 1)
		}
		getChecked(t, q, 2, 3)
		drained(t, q)
		usable(t, q) // the slot is counted when it is needed
		wantAbandoned(t, q, abandoned)
	}})
}

// The get that dies has to wake a producer.
func TestCrashInGetWhileAProducerSleeps(t *testing.T) {
	results := make(chan error, 1)
	sweep(t, scene{
		op: "get", capacity: 2, fill: 2,
		before: func(t *testing.T, q *Queue[checked], path string) {
			go func() { results <- q.Put(background, messageOf(3)) }()
			asleep.Await(t, q.o.Seg, 1)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := getCounts(points)
			if comes == 1 {
				getChecked(t, q, 1, 1)
			}
			wantErr(t, proctest.Ends(t, results, "the producer goes on"), nil)
			getChecked(t, q, 2, 3)
			usable(t, q)
			wantAbandoned(t, q, abandoned)
		},
	})
}

// The get that dies waits for a message, and is woken or not.
func TestCrashInGetThatWaits(t *testing.T) {
	sweep(t, scene{
		op: "get", capacity: 2,
		during: func(t *testing.T, q *Queue[checked]) {
			putChecked(t, q, 1, 2)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := getCounts(points)
			if comes == 1 {
				getChecked(t, q, 1, 1)
			}
			getChecked(t, q, 2, 2)
			drained(t, q)
			usable(t, q)
			wantAbandoned(t, q, abandoned)
		},
	})
}
