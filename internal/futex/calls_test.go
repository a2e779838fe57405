//go:build linux

package futex

import (
	"testing"
	"time"
)

// Each system call counts once, and what is decided without the kernel does not count.
func TestCallsAreCounted(t *testing.T) {
	word := new(uint32)
	var v Vector
	v.Add(Word{Addr: word, Val: 1})
	for _, c := range []struct {
		name string
		call func()
		want Calls
	}{
		{"Wait of a word that differs", func() { Wait(Word{Addr: word, Val: 1}, -1) }, Calls{Waits: 1}},
		//clock: the time-out is the subject
		{"Wait that times out", func() { Wait(Word{Addr: word}, time.Microsecond) }, Calls{Waits: 1}},
		{"Wake", func() { Wake(word, 1) }, Calls{Wakes: 1}},
		{"Wake of none", func() { Wake(word, 0) }, Calls{}},
		// refused where there is no futex_waitv
		{"Vector.Wait", func() { v.Wait(time.Hour) }, Calls{Waits: 1}},
	} {
		before := Counted()
		c.call()
		if got := Counted().Since(before); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	before, want := Counted(), Calls{}
	if Membarrier() {
		want.Membarriers = 1
	}
	if got := Counted().Since(before); got != want {
		t.Errorf("Membarrier: %+v, want %+v", got, want)
	}
}
