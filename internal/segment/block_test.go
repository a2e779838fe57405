//go:build linux

package segment

import (
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
)

// While another attachment has the directory, FreeSoon returns, and the blocks are freed when it is
// given back.
func TestFreeSoonDoesNotWait(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	s.SetPatience(time.Minute, 0)
	var blocks []uint64
	for range 3 {
		off, _, err := s.Alloc(100)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, off)
	}
	if err := s.FreeSoon(blocks[0]); err != nil {
		t.Fatal(err)
	}
	if n := checked(t, other).Blocks; n != 2 {
		t.Errorf("%d blocks after one of three was freed", n)
	}
	if err := other.lock.TryLock(); err != nil {
		t.Fatal(err)
	}
	for _, off := range blocks[1:] {
		if err := s.FreeSoon(off); err != nil {
			t.Error(err)
		}
	}
	other.lock.Unlock()
	proctest.Eventually(t, proctest.Hang, func() bool { return checked(t, other).Blocks == 0 }, "the blocks are free")
	if err := s.FreeSoon(blocks[0]); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a block was freed twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.FreeSoon(blocks[0]); !errors.Is(err, lock.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
