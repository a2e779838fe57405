//go:build linux

package proctab

import (
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// In each of these modes a process claims and leaves slots that one of the other has had.
func TestModesShareATable(t *testing.T) {
	f, path := openTable(t, 2)
	seen := make(map[Owner]bool)
	for _, end := range []string{"kill", "detach"} {
		for _, pair := range [][2]mode{{robust, byLock}, {byLock, robust}, {byLock, nothing}, {noFence, robust}} {
			var children [2]*proctest.Child
			var owners [2]Owner
			for i, m := range pair {
				children[i] = m.start(t, roleMember, path)
				owners[i], _, _ = attached(t, children[i])
				if seen[owners[i]] {
					t.Errorf("id %#x is used again", owners[i])
				}
				seen[owners[i]] = true
			}
			for i, m := range pair {
				if f.NeedsPolling(owners[i]) != (m == byLock || m == nothing) {
					t.Errorf("%v: silent %t", m, f.NeedsPolling(owners[i]))
				}
			}
			if end == "detach" {
				children[0].Send("detach")
				children[0].Expect("detached")
			} else {
				children[0].Kill()
			}
			if !f.Dead(owners[0]) || f.Dead(owners[1]) {
				t.Errorf("%s, %v: dead %t %t", end, pair, f.Dead(owners[0]), f.Dead(owners[1]))
			}
			for _, child := range children {
				child.Kill()
			}
			for o := range seen {
				if !f.Dead(o) {
					t.Errorf("%#x lives on", o)
				}
			}
		}
	}
}

func TestTwoAttachmentsOfOneProcess(t *testing.T) {
	path := newFile(t, 4)
	a, b := open(path), open(path)
	defer a.close()
	defer b.close()
	first, second := a.mustAttach(), b.mustAttach()
	if first.ID() == second.ID() || a.Dead(second.ID()) || b.Dead(first.ID()) {
		t.Errorf("%#x and %#x", first.ID(), second.ID())
	}
	first.Detach()
	first.Detach()
	if !b.Dead(first.ID()) || b.Dead(second.ID()) || a.Dead(second.ID()) {
		t.Error("Detach of one")
	}
	third := a.mustAttach() // a Table can be attached to again
	if b.Dead(third.ID()) || third.ID() == first.ID() || third.Table() != a.Table {
		t.Errorf("attached again as %#x", third.ID())
	}
	second.Detach()
	third.Detach()
}

func TestSecondAttachPanics(t *testing.T) {
	f, _ := openTable(t, 4)
	m := f.mustAttach()
	defer m.Detach()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f.Attach()
}

func TestAttachFromManyGoroutines(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	const goroutines = 16
	f, path := openTable(t, goroutines)
	var mu sync.Mutex
	living := make(map[int]Owner) // by slot
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			mine := open(path)
			defer mine.close()
			for range rounds {
				m, crashed, err := mine.Attach()
				if err != nil || crashed {
					t.Errorf("crashed %t, %v", crashed, err)
					return
				}
				mu.Lock()
				if o, ok := living[m.ID().Slot()]; ok {
					t.Errorf("%#x and %#x share a slot", o, m.ID())
				}
				living[m.ID().Slot()] = m.ID()
				mu.Unlock()
				if f.Dead(m.ID()) {
					t.Errorf("%#x is dead", m.ID())
				}
				mu.Lock()
				delete(living, m.ID().Slot())
				mu.Unlock()
				m.Detach()
				if !f.Dead(m.ID()) {
					t.Errorf("%#x lives on", m.ID())
				}
			}
		})
	}
	all.Wait()
	if k := theKeeper(); len(k.linked) != 0 || k.places.Load() != 0 || k.head.next != k.head.end() || k.head.pending != 0 {
		t.Errorf("the list holds %d slots, %d places are taken", len(k.linked), k.places.Load())
	}
}
