package task

import (
	"bytes"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/shm"
	"pgregory.net/rapid"
)

// Frames come out as they went in.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "items")
		var args, results []byte
		for i, item := range items {
			args = AppendFrame(args, item)
			results = appendResult(results, uint32(i%5), item)
		}
		for i, item := range items {
			var got, same []byte
			var kind uint32
			var err error
			if got, args, err = CutFrame(args); err != nil || !bytes.Equal(got, item) {
				t.Fatalf("%d: %x, %v", i, got, err)
			}
			if kind, same, results, err = CutResult(results); err != nil || kind != uint32(i%5) || !bytes.Equal(same, item) {
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
			item, rest, err := CutFrame(b)
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
		if _, _, err := CutFrame(b); !errors.Is(err, shm.ErrCorrupt) {
			t.Errorf("%x: %v", b, err)
		}
		if _, _, _, err := CutResult(b); !errors.Is(err, shm.ErrCorrupt) {
			t.Errorf("result %x: %v", b, err)
		}
	}
}
