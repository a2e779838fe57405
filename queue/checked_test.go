package queue

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// checked is a message that shows when it is torn.
type checked [9]uint64

func messageOf(n uint64) (m checked) {
	for i := range m {
		m[i] = n*uint64(2*i+1) + uint64(i)
	}
	return m
}

func (m *checked) check() error {
	if *m != messageOf(m[0]) {
		return fmt.Errorf("a torn message: %v", *m)
	}
	return nil
}

func openFor(path string) *Queue[checked] {
	seg, err := shm.Open(path)
	proctest.ExitOn(err)
	q, err := OpenQueue[checked](seg, "q", Options{})
	proctest.ExitOn(err)
	return q
}

func putChecked(t testing.TB, q *Queue[checked], from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := q.TryPut(messageOf(n)); err != nil {
			t.Fatalf("put %d: %v", n, err)
		}
	}
}

// getChecked takes messages without waiting and checks that they are these.
func getChecked(t testing.TB, q *Queue[checked], from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		v, err := q.TryGet()
		if err != nil || v != messageOf(n) {
			t.Fatalf("got %v, %v, want message %d", v, err, n)
		}
	}
}

// usable fills and drains the queue several times round.
func usable(t testing.TB, q *Queue[checked]) {
	t.Helper()
	for range 3 {
		putChecked(t, q, 1, uint64(q.Cap()))
		wantErr(t, q.TryPut(messageOf(0)), ErrFull)
		getChecked(t, q, 1, uint64(q.Cap()))
		_, err := q.TryGet()
		wantErr(t, err, ErrEmpty)
	}
	if q.Len() != 0 {
		t.Errorf("length %d of an empty queue", q.Len())
	}
}

func wantAbandoned(t testing.TB, q *Queue[checked], want uint64) {
	t.Helper()
	if s := q.Stats(); s.Abandoned != want {
		t.Errorf("stats %+v, want %d abandoned", s, want)
	}
}
