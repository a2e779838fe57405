package queue

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// moveHints sets the hints of a queue, and lets this process forget what it has seen, like one that has just opened it.
func moveHints(q *Queue[uint64], put, get uint64) {
	q.r.head.put.Store(put)
	q.r.head.get.Store(get)
	q.r.puts.seen.Store(0)
	q.r.gets.seen.Store(0)
}

// A process that has just opened a queue finds its ends wherever the hints are between three laps ago and now.
func TestHintsBehind(t *testing.T) {
	for _, capacity := range []int{1, 2, 8, 16} {
		for behind := range uint64(3*capacity + 1) {
			t.Run(fmt.Sprintf("capacity=%d/behind=%d", capacity, behind), func(t *testing.T) {
				q, err := NewQueue[uint64](newSegment(t, bigSegment), "q", capacity, Options{})
				if err != nil {
					t.Fatal(err)
				}
				turns := uint64(4 * capacity)
				for n := range turns {
					mustPut(t, q, n)
					mustGet(t, q, n)
				}
				moveHints(q, turns-behind, turns-behind)
				if n, s := q.Len(), q.Stats(); n != 0 || s.Put != turns || s.Got != turns {
					t.Errorf("length %d, %+v", n, s)
				}
				if _, err := q.TryGet(); err != ErrEmpty {
					t.Errorf("TryGet: %v", err)
				}
				for n := range uint64(capacity) {
					mustPut(t, q, n)
				}
				moveHints(q, turns+uint64(capacity)-behind, turns-behind)
				if err := q.TryPut(9); err != ErrFull {
					t.Errorf("TryPut: %v", err)
				}
				if n := q.Len(); n != capacity {
					t.Errorf("length %d", n)
				}
				for n := range uint64(capacity) {
					mustGet(t, q, n)
				}
			})
		}
	}
}

// A hint that is ahead, or many laps behind, was not written by the queue. It is an error, which loses nothing.
func TestHintsThatMakeNoSense(t *testing.T) {
	const capacity, turns = 4, 10 * 4
	q, err := NewQueue[uint64](newSegment(t, bigSegment), "q", capacity, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(turns) {
		mustPut(t, q, n)
		mustGet(t, q, n)
	}
	mustPut(t, q, turns)
	for _, hint := range []uint64{turns - 5*capacity, turns + 2*capacity, 0, 1 << 40} {
		moveHints(q, hint, hint)
		if err := q.TryPut(1); !errors.Is(err, shm.ErrCorrupt) {
			t.Errorf("hint %d: TryPut: %v", hint, err)
		}
		if _, err := q.TryGet(); !errors.Is(err, shm.ErrCorrupt) {
			t.Errorf("hint %d: TryGet: %v", hint, err)
		}
	}
	moveHints(q, turns, turns)
	mustGet(t, q, turns)
}

// Hints are moved on at every eighth position, and not back by somebody who is late.
func TestHintsMove(t *testing.T) {
	q, err := NewQueue[uint64](newSegment(t, bigSegment), "q", 64, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(200) {
		mustPut(t, q, n)
		mustGet(t, q, n)
		if want := (n + 1) / 8 * 8; q.r.head.put.Load() != want || q.r.head.get.Load() != want {
			t.Fatalf("after %d messages: hints %d and %d, not %d", n+1, q.r.head.put.Load(), q.r.head.get.Load(), want)
		}
	}
	q.r.puts.pass(15)
	q.r.gets.pass(15)
	if put, get := q.r.head.put.Load(), q.r.head.get.Load(); put != 200 || get != 200 {
		t.Errorf("hints moved back to %d and %d", put, get)
	}
	mustPut(t, q, 200)
	mustGet(t, q, 200)
}
