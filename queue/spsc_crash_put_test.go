//go:build crashtest

package queue

import (
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

func TestSPSCCrashInPut(t *testing.T) {
	for op, messages := range map[string]uint64{"Put": 1, "TryPut": 1, "PutBatch": 2, "Commit": 1, "Abort": 1} {
		t.Run(op, func(t *testing.T) {
			spscScene{op: op, capacity: 8, fill: 2, after: func(t *testing.T, q *SPSC[checked], points []string) {
				come, abandoned := fate(points)
				if op == "Abort" && come {
					t.Error("aborted, and published")
				}
				spscPut(t, q, 3, 3)
				spscGet(t, q, 1, 2)
				if come {
					spscGet(t, q, 99, 98+messages)
				}
				spscGet(t, q, 3, 3)
				spscAbandoned(t, q, count(abandoned, messages))
			}}.sweep(t)
		})
	}
}

func TestSPSCCrashInPutThatWaits(t *testing.T) {
	for op, messages := range map[string]uint64{"Put": 1, "PutBatch": 2, "Commit": 1} {
		t.Run(op, func(t *testing.T) {
			spscScene{op: op, capacity: 2, fill: 2, during: func(t *testing.T, q *SPSC[checked]) {
				spscGet(t, q, 1, 2)
			}, after: func(t *testing.T, q *SPSC[checked], points []string) {
				published := uint64(0)
				for _, p := range points {
					published += count(p == "spsc.published", 1)
				}
				come, abandoned := fate(points)
				if op == "PutBatch" { // in one group or in two
					n := uint64(0)
					for ; ; n++ {
						v, err := q.TryGet()
						if err != nil || v != messageOf(99+n) {
							wantErr(t, err, ErrEmpty)
							break
						}
					}
					if n > messages || published > 0 && n == 0 || published == 0 && n > 0 {
						t.Errorf("%d messages after %v", n, points)
					}
					return
				}
				if come {
					spscGet(t, q, 99, 99)
				}
				_, err := q.TryGet()
				wantErr(t, err, ErrEmpty)
				spscUsable(t, q) // takes the role
				spscAbandoned(t, q, count(abandoned, 1))
			}}.sweep(t)
		})
	}
}

// The put that dies has to wake a consumer, which goes on in any case when there is a message
// again.
func TestSPSCCrashInPutWhileTheConsumerSleeps(t *testing.T) {
	results := make(chan checked, 1)
	spscScene{op: "Put", capacity: 4, before: func(t *testing.T, q *SPSC[checked]) {
		go func() {
			v, err := q.Get(background)
			if err != nil {
				t.Error(err)
			}
			results <- v
		}()
		asleep.Await(t, q.o.Seg, 1)
	}, after: func(t *testing.T, q *SPSC[checked], points []string) {
		come, abandoned := fate(points)
		want := uint64(99)
		if !come {
			spscPut(t, q, 3, 3)
			want = 3
		}
		select {
		case v := <-results:
			if v != messageOf(want) {
				t.Errorf("got %v, want message %d", v, want)
			}
		case <-time.After(proctest.Hang):
			t.Fatal("the consumer sleeps on")
		}
		spscUsable(t, q)
		spscAbandoned(t, q, count(abandoned, 1))
	}}.sweep(t)
}
