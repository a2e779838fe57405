package cpu

import (
	"bytes"
	"testing"
)

// CopyOut copies what copy does, and nothing beside it, at any place of a line.
func TestCopyOutIsCopy(t *testing.T) {
	const most = 3 << 12
	src := make([]byte, most)
	for i := range src {
		src[i] = byte(i*7 + i>>8)
	}
	for _, n := range []int{0, 1, 63, 64, 2048, 2559, 2560, 2561, 4096, most - 9} {
		for shift := range 9 {
			got, want := bytes.Repeat([]byte{0xaa}, most), bytes.Repeat([]byte{0xaa}, most)
			a, b := CopyOut(got[shift:shift+n], src[8-shift:]), copy(want[shift:shift+n], src[8-shift:])
			if a != b || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes from %d to %d: copied %d, want %d, or other bytes", n, 8-shift, shift, a, b)
			}
		}
	}
	if n := CopyOut(make([]byte, 4096), src[:3000]); n != 3000 {
		t.Errorf("copied %d of 3000 bytes to 4096", n)
	}
}
