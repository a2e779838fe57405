package pool

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shm"
	"pgregory.net/rapid"
)

// How many arguments go into a slot, of so many that are left, on two workers.
//
// clock: what has been measured of tasks is the subject
func TestSizing(t *testing.T) {
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
		{0, 1 << 20, chunkTime / 10, 10},          // no longer than that
		{0, 1 << 20, time.Second, 1},              //
	} {
		s := sizing{fixed: test.fixed, workers: 2, left: test.left, each: test.each}
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

// Frames come out as they went in.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "items")
		var args, results []byte
		for i, item := range items {
			args = appendFrame(args, item)
			results = appendResult(results, uint32(i%5), item)
		}
		for i, item := range items {
			var got, same []byte
			var kind uint32
			var err error
			if got, args, err = cutFrame(args); err != nil || !bytes.Equal(got, item) {
				t.Fatalf("%d: %x, %v", i, got, err)
			}
			if kind, same, results, err = cutResult(results); err != nil || kind != uint32(i%5) || !bytes.Equal(same, item) {
				t.Fatalf("%d: %d, %x, %v", i, kind, same, err)
			}
		}
		if len(args)+len(results) != 0 {
			t.Fatalf("%x and %x are left", args, results)
		}
	})
}

// Whatever the bytes are, a frame is within them, or it is an error.
func TestFramesOfGarbage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		for len(b) > 0 {
			item, rest, err := cutFrame(b)
			if err != nil {
				if !errors.Is(err, shm.ErrCorrupt) {
					t.Fatal(err)
				}
				return
			}
			if len(item)+len(rest) >= len(b) {
				t.Fatalf("%d and %d of %d bytes", len(item), len(rest), len(b))
			}
			b = rest
		}
	})
	for _, b := range [][]byte{nil, {0x80}, {5, 1}, bytes.Repeat([]byte{0xff}, 11)} {
		if _, _, err := cutFrame(b); !errors.Is(err, shm.ErrCorrupt) {
			t.Errorf("%x: %v", b, err)
		}
		if _, _, _, err := cutResult(b); !errors.Is(err, shm.ErrCorrupt) {
			t.Errorf("result %x: %v", b, err)
		}
	}
}
