package cpu

import (
	"bytes"
	"testing"
)

// A prefetch changes nothing, wherever the bytes lie, and needs no memory beyond them.
func TestPrefetchChangesNothing(t *testing.T) {
	PrefetchWrite(nil)
	PrefetchWrite([]byte{})
	b := bytes.Repeat([]byte{1, 2, 3}, 3000)
	want := bytes.Clone(b)
	for _, n := range []int{1, 63, 64, 65, 4096, len(b)} {
		PrefetchWrite(b[:n])
		PrefetchWrite(b[len(b)-n:])
	}
	for i := range b {
		Prefetch(&b[i])
	}
	if !bytes.Equal(b, want) {
		t.Error("the bytes have changed")
	}
}
