//go:build crashtest

package queue

import (
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// killAClaim leaves a slot that a dead process had claimed.
func killAClaim(op string) func(t *testing.T, q *Queue[checked], path string) {
	return func(t *testing.T, q *Queue[checked], path string) {
		child := proctest.Start(t, roleClaim, path, op)
		child.Expect("claimed")
		kill(t, child)
	}
}

// The process that frees the slot of a dead one dies, too: the count may miss the first one then.
func TestCrashOfWhoSkipsADeadProducer(t *testing.T) {
	sweep(t, scene{
		op: "get", capacity: 2,
		before: func(t *testing.T, q *Queue[checked], path string) {
			killAClaim("put")(t, q, path)
			putChecked(t, q, 1, 1)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := getCounts(points)
			if comes == 1 {
				getChecked(t, q, 1, 1)
			}
			drained(t, q)
			usable(t, q)
			abandonedOf(t, q, points, abandoned)
		},
	})
}

func TestCrashOfWhoFreesTheSlotOfADeadProducer(t *testing.T) {
	sweep(t, scene{op: "put", capacity: 1, before: killAClaim("put"), after: func(t *testing.T, q *Queue[checked], points []string) {
		comes, abandoned := putCounts(points)
		if comes == 1 {
			getChecked(t, q, 99, 99)
		}
		drained(t, q)
		abandonedOf(t, q, points, abandoned)
	}})
}

func TestCrashOfWhoFreesTheSlotOfADeadConsumer(t *testing.T) {
	sweep(t, scene{op: "put", capacity: 1, fill: 1, before: killAClaim("get"), after: func(t *testing.T, q *Queue[checked], points []string) {
		comes, abandoned := putCounts(points)
		if comes == 1 {
			getChecked(t, q, 99, 99)
		}
		drained(t, q)
		usable(t, q)
		abandonedOf(t, q, points, abandoned)
	}})
}

// abandonedOf expects one slot to be counted, which was dead before the child came, and those of
// the child.
func abandonedOf(t *testing.T, q *Queue[checked], points []string, ofChild uint64) {
	t.Helper()
	want := 1 + ofChild
	if points[len(points)-1] == "queue.abandoned" {
		want-- // killed between freeing and counting
	}
	wantAbandoned(t, q, want)
}
