package task

import "testing"

// Values count as no failures, whether they are nil or not; nor does what is cut off.
func TestFailuresIn(t *testing.T) {
	var chunk []byte
	for _, kind := range []uint32{KindValue, KindError, KindNil, KindPanic, KindFailed, KindError, KindValue} {
		chunk = appendResult(chunk, kind, []byte("result"))
	}
	want := Failures{All: 4, Panics: 1, Unsent: 1}
	if got := FailuresIn(chunk); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := FailuresIn(chunk[:len(chunk)-1]); got != want {
		t.Errorf("without its last byte: %+v, want %+v", got, want)
	}
}
