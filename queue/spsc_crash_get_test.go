//go:build crashtest

package queue

import (
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

func TestSPSCCrashInGet(t *testing.T) {
	for op, messages := range map[string]uint64{"Get": 1, "TryGet": 1, "GetBatch": 2, "Release": 1} {
		t.Run(op, func(t *testing.T) {
			spscScene{op: op, capacity: 4, fill: 4, after: func(t *testing.T, q *SPSC[checked], points []string) {
				gone := count(slices.Contains(points, "spsc.read"), messages)
				spscGet(t, q, 1+gone, 4)
				spscAbandoned(t, q, 0)
			}}.sweep(t)
		})
	}
}

// The get that dies waits for a message, and is woken or not.
func TestSPSCCrashInGetThatWaits(t *testing.T) {
	for op, messages := range map[string]uint64{"Get": 1, "Release": 1} {
		t.Run(op, func(t *testing.T) {
			spscScene{op: op, capacity: 2, during: func(t *testing.T, q *SPSC[checked]) {
				spscPut(t, q, 1, 2)
			}, after: func(t *testing.T, q *SPSC[checked], points []string) {
				gone := count(slices.Contains(points, "spsc.read"), messages)
				spscGet(t, q, 1+gone, 2)
				spscAbandoned(t, q, 0)
			}}.sweep(t)
		})
	}
}

// The get that dies has to wake a producer.
func TestSPSCCrashInGetWhileTheProducerSleeps(t *testing.T) {
	results := make(chan error, 1)
	spscScene{op: "Get", capacity: 2, fill: 2, before: func(t *testing.T, q *SPSC[checked]) {
		go func() { results <- q.Put(background, messageOf(3)) }()
		asleep.Await(t, q.o.Seg, 1)
	}, after: func(t *testing.T, q *SPSC[checked], points []string) {
		if !slices.Contains(points, "spsc.read") {
			spscGet(t, q, 1, 1)
		}
		select {
		case err := <-results:
			wantErr(t, err, nil)
		case <-time.After(proctest.Hang):
			t.Fatal("the producer sleeps on")
		}
		spscGet(t, q, 2, 3)
	}}.sweep(t)
}
