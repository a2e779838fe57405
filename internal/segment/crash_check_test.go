//go:build crashtest && linux

package segment

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/proctest"
)

func (w *stage) names() map[string]int {
	names := map[string]int{}
	w.s.Names(func(name string, _ Kind) bool {
		o, err := w.s.view(w.at(name), 0)
		must(err)
		names[name] = len(o.Payload)
		return true
	})
	return names
}

func (w *stage) at(name string) uint32 {
	i, _, err := w.s.find(context.Background(), name)
	must(err)
	return i
}

// lookUp looks names up all the time, until the function that it returns is called:
// those that the scene does not touch must always be found, and never half of one.
func (w *stage) lookUp(names map[string]int, c scene) (stop func()) {
	quit, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
			}
			for name, n := range names {
				if name == "x" || slices.Contains(c.maybe, name) {
					continue
				}
				i, state, err := w.s.find(context.Background(), name)
				if err != nil {
					w.Errorf("looking up %q: %v", name, err)
					return
				}
				if o, err := w.s.view(i, state>>directory.SerialShift); err != nil || len(o.Payload) != n || o.Name != name {
					w.Errorf("looking up %q: %v, %v", name, o, err)
					return
				}
			}
			proctest.Stagger(100 * time.Microsecond)
		}
	}()
	return func() { close(quit); <-done }
}

// goesOn: the survivor's operations succeed.
func (w *stage) goesOn() {
	if _, err := os.Lstat(w.path); err != nil {
		w.s.named = false // the scene is about that
	}
	must(w.s.Reclaim())
	mustNew(w.s, "probe", 3000)
	must(w.s.Free(mustAlloc(w.s, 2000)))
	must(w.s.Remove("probe"))
	s, err := OpenFile(w.s.File())
	must(err)
	if _, err := s.Check(); err != nil {
		w.Error(err)
	}
	must(s.Close())
}

// intact: no name is lost or doubled, and no object is half.
func (w *stage) intact(c scene, before map[string]int, completed bool) {
	now := w.names()
	for name, n := range now {
		o, err := w.s.Open(rawSpec(name, AnySize))
		must(err)
		if before[name] != n && name != "x" || slices.ContainsFunc(o.Payload, func(b byte) bool { return b != markOf(name) }) {
			w.Errorf("object %q has changed", name)
		}
	}
	for name := range before {
		if _, ok := now[name]; !ok && name != "x" && !slices.Contains(c.maybe, name) {
			w.Errorf("object %q is gone", name)
		}
	}
	_, was := before["x"]
	if _, is := now["x"]; completed && strings.HasPrefix(c.name, "remove") == is && (was || is) && c.name != "open object" {
		w.Errorf("completed, and x is there: %v", is)
	}
}

// emptied: when all is removed the heap is as it was at first. No byte leaks.
func (w *stage) emptied() {
	for name := range w.names() {
		must(w.s.Remove(name))
	}
	dropAll(w.s)
	must(w.s.Reclaim())
	checked(w, w.s)
	if h := w.s.dir.Header(); h.Brk.Load() != w.s.geo.Heap || h.FreeBytes != 0 {
		w.Errorf("%d bytes of the heap are lost", h.Brk.Load()-w.s.geo.Heap)
	}
}
