//go:build linux

package segment

import "testing"

// What was released is gone at once for this process: removed, its memory is reused although a
// handle is reachable still.
func TestRelease(t *testing.T) {
	s := fresh(t, small)
	o := made(t, s, "a", 100)
	if err := s.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if used := s.dir.Used(o.index); !used {
		t.Fatal("an object that is open is not in use")
	}
	o.Abandon()
	o.Abandon()
	if used := s.dir.Used(o.index); used {
		t.Error("a released object is in use")
	}
	again := made(t, s, "a", 100)
	if again == o || again.index != o.index {
		t.Errorf("the new object is at entry %d, not %d", again.index, o.index)
	}
	o.Abandon() // has nothing to do with the new one
	if !s.dir.Used(again.index) {
		t.Error("the new object is not in use")
	}
	if _, err := s.Check(); err != nil {
		t.Error(err)
	}
}

// What was released and not removed can be opened again.
func TestReleaseAndReopen(t *testing.T) {
	s := fresh(t, small)
	o := made(t, s, "a", 100)
	o.Abandon()
	again := made(t, s, "a", 100)
	if again == o || again.index != o.index || !s.dir.Used(o.index) {
		t.Error("the object was not opened anew")
	}
	s.dropped(o.place) // the collector finds the first view unreachable later
	if !s.dir.Used(o.index) {
		t.Error("the second view lost its object with the first")
	}
}
