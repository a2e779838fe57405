package pool

import (
	"testing"
	"time"
)

// How many arguments go into a slot, of so many that are left, on two workers.
//
// clock: what has been measured of tasks is the subject
func TestSizing(t *testing.T) {
	const aim = 200 * time.Microsecond
	for _, test := range []struct {
		fixed, left int
		each        time.Duration
		want        int
	}{
		{0, 1000, 0, 1},                           // not known yet
		{0, -1, time.Nanosecond, 1},               // IMap
		{7, -1, 0, 7},                             // as the user wants
		{1, 1000, time.Nanosecond, 1},             //
		{0, 1 << 20, time.Nanosecond, chunkItems}, // never more
		{0, 1000, time.Nanosecond, 125},           // an eighth of what is left for each worker
		{0, 7, time.Nanosecond, 1},                // the last ones
		{0, 0, time.Nanosecond, 1},                //
		{0, 1 << 20, aim / 10, 10},                // no longer than that
		{0, 1 << 20, time.Second, 1},              //
	} {
		s := sizing{fixed: test.fixed, workers: 2, left: test.left, each: test.each, aim: aim}
		if got := s.next(); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
}

// The time of one argument follows what is seen, and is never nothing.
//
// clock: what has been measured of tasks is the subject
func TestSizingSaw(t *testing.T) {
	s := sizing{workers: 2, left: 100}
	if !s.unknown() {
		t.Error("it is known at first")
	}
	s.saw(10, 0)
	if s.each != 1 || s.unknown() {
		t.Errorf("each %v", s.each)
	}
	for range 50 {
		s.saw(10, 10*time.Millisecond)
	}
	if s.each < 900*time.Microsecond || s.each > time.Millisecond {
		t.Errorf("each %v", s.each)
	}
}
