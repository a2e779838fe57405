package worker

import (
	"testing"

	"github.com/shmkit/shmkit/internal/proctab"
)

// The ids of goroutines wrap, and those that are in use are left out.
func TestLocalIDsWrap(t *testing.T) {
	s := idSet{}
	first, second := s.Take(), s.Take()
	if first != 1 || second != 2 {
		t.Errorf("the first ids are %d and %d", first, second)
	}
	s.Release(first)
	s.last = proctab.OwnerMask
	for _, want := range []proctab.Owner{proctab.OwnerMask, 1, 3, 4} {
		if id := s.Take(); id != want {
			t.Errorf("got the id %d, want %d", id, want)
		}
	}
}
