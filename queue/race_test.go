package queue

import (
	"sync"
	"testing"
)

// A program that passes the right to use an ordinary variable through the queue has no race, and
// the detector reports none. In a build without the detector this only checks the numbers.
func TestOwnershipPassesThroughTheQueue(t *testing.T) {
	const rounds = 2000
	there, back := newQueue[bool](t, 1, Options{}), newQueue[bool](t, 1, Options{})
	shared := 0
	var all sync.WaitGroup
	all.Go(func() {
		for range rounds {
			if _, err := there.Get(background); err != nil {
				t.Error(err)
			}
			shared++
			if err := back.Put(background, true); err != nil {
				t.Error(err)
			}
		}
	})
	for range rounds {
		shared++
		if err := there.Put(background, true); err != nil {
			t.Error(err)
		}
		if _, err := back.Get(background); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if shared != 2*rounds {
		t.Errorf("counted to %d, want %d", shared, 2*rounds)
	}
}

// A queue of capacity 1 is a lock: to put is to lock it, to get to unlock it.
func TestRoomPassesOwnership(t *testing.T) {
	const rounds, goroutines = 500, 4
	q := newQueue[bool](t, 1, Options{})
	shared := 0
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range rounds {
				if err := q.Put(background, true); err != nil {
					t.Error(err)
				}
				shared++
				if _, err := q.Get(background); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if shared != rounds*goroutines {
		t.Errorf("counted to %d, want %d", shared, rounds*goroutines)
	}
}
