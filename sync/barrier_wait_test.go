//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A45, wait order: in each round the parties, three processes, come one after another, and get
// their numbers.
func TestBarrierOrder(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{})
	others := []*proctest.Child{startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none")}
	if b.Parties() != 3 || b.Waiting() != 0 || b.Broken() || b.Name() != "b" {
		t.Errorf("a new barrier: %d parties, %d waiting, broken %v, name %q", b.Parties(), b.Waiting(), b.Broken(), b.Name())
	}
	for range 5 {
		for i, c := range others {
			c.Send("wait")
			arrived(t, b, i+1)
		}
		index, err := waitBarrier(b)
		if index != 2 || err != nil {
			t.Fatalf("the last to come: %d, %v", index, err)
		}
		waited(t, others[0], "0 ok")
		waited(t, others[1], "1 ok")
	}
	for _, c := range others {
		c.Kill()
	}
}

// No party leaves before all have arrived, in many rounds that follow each other at once, with
// goroutines of three processes as parties, and with each way of waiting.
func TestBarrierRounds(t *testing.T) {
	const rounds, here = 300, 3
	for name, policy := range map[string]shmsync.WaitPolicy{"adaptive": shmsync.Adaptive, "park": shmsync.Park} {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			var came atomic.Int64
			b := newBarrier(t, seg, here+2, shmsync.BarrierOptions{Wait: policy})
			var others []*proctest.Child
			for range 2 {
				c := startBarrierAgent(t, seg, here+2, "none")
				c.Send(fmt.Sprint("rounds ", rounds))
				others = append(others, c)
			}
			var wg sync.WaitGroup
			for range here {
				wg.Go(func() {
					for round := range rounds {
						came.Add(1)
						_, err := waitBarrier(b)
						must(err)
						if n := int(came.Load()); n < here*(round+1) || n > here*(round+2) {
							t.Errorf("after round %d %d had come", round, n)
						}
					}
				})
			}
			wg.Wait()
			for _, c := range others {
				c.Expect("ok")
				c.Kill()
			}
		})
	}
}

// More goroutines than parties use the barrier: it lets them go in groups. At a barrier for one
// party no caller waits.
func TestBarrierGroups(t *testing.T) {
	seg := newSegment(t)
	const parties, goroutines, rounds = 3, 9, 100
	b := newBarrier(t, seg, parties, shmsync.BarrierOptions{Action: func() error { return nil }})
	var indices [parties]atomic.Int64
	var wg sync.WaitGroup
	var budget atomic.Int64 // of waits; a multiple of the parties
	budget.Store(parties * goroutines * rounds)
	for range goroutines {
		wg.Go(func() {
			for budget.Add(-1) >= 0 {
				index, err := waitBarrier(b)
				must(err)
				indices[index].Add(1)
			}
		})
	}
	wg.Wait()
	for i := range indices {
		if n := indices[i].Load(); n != goroutines*rounds {
			t.Errorf("index %d came %d times, want %d", i, n, goroutines*rounds)
		}
	}
	alone, err := shmsync.NewBarrier(seg, "alone", 1, shmsync.BarrierOptions{})
	must(err)
	ended, cancel := context.WithCancel(background)
	cancel()
	for range 3 {
		if index, err := alone.Wait(ended); index != 0 || err != nil {
			t.Errorf("a barrier for one: %d, %v", index, err)
		}
	}
}
