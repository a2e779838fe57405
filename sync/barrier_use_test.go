//go:build linux

package shmsync_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/race"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Goroutines hand an ordinary variable from one to the next through a barrier, with an action that
// writes to it, too. The race detector is silent.
func TestBarrierOrders(t *testing.T) {
	const parties, rounds = 4, 200
	seg := newSegment(t)
	n, sum := 0, 0
	b := newBarrier(t, seg, parties, shmsync.BarrierOptions{Action: func() error { sum += n; return nil }})
	again := newBarrier(t, seg, parties, shmsync.BarrierOptions{Action: func() error { sum += n; return nil }})
	var wg sync.WaitGroup
	for i := range parties {
		wg.Go(func() {
			for round := range rounds {
				if round%parties == i {
					n++
				}
				_, err := []*shmsync.Barrier{b, again}[i%2].Wait(background)
				must(err)
				if n != round+1 {
					t.Errorf("%d in round %d", n, round)
				}
				_, err = b.Wait(background)
				must(err)
			}
		})
	}
	wg.Wait()
	if want := rounds * (rounds + 1); sum != want {
		t.Errorf("the actions have added %d, want %d", sum, want)
	}
}

// Goroutines of one process make it a party at the same time: none of them breaks what another has
// begun.
func TestBarrierJoinTogether(t *testing.T) {
	seg := newSegment(t)
	for round := range 100 {
		var wg sync.WaitGroup
		name := fmt.Sprint("b", round)
		for range 4 {
			wg.Go(func() {
				b, err := shmsync.NewBarrier(seg, name, 4, shmsync.BarrierOptions{})
				must(err)
				if _, err := waitBarrier(b); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// A round allocates nothing, neither for the last party nor for one that waits, spinning or asleep.
func TestBarrierNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	seg := newSegment(t)
	alone, err := shmsync.NewBarrier(seg, "alone", 1, shmsync.BarrierOptions{})
	must(err)
	if n := testing.AllocsPerRun(1000, func() { alone.Wait(background) }); n != 0 {
		t.Errorf("%v allocations of a barrier for one", n)
	}
	for name, policy := range map[string]shmsync.WaitPolicy{"adaptive": shmsync.Adaptive, "park": shmsync.Park} {
		const rounds = 2000
		b, err := shmsync.NewBarrier(seg, name, 2, shmsync.BarrierOptions{Wait: policy})
		must(err)
		other, err := shmsync.NewBarrier(openAgain(t, seg), name, 2, shmsync.BarrierOptions{Wait: policy})
		must(err)
		done := make(chan bool)
		go func() {
			for range rounds + 1 { // AllocsPerRun warms up with one
				if _, err := other.Wait(background); err != nil {
					panic(err)
				}
			}
			done <- true
		}()
		if n := testing.AllocsPerRun(rounds, func() { b.Wait(background) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		<-done
	}
}
