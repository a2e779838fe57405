//go:build crashtest && linux

package segment

import (
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A process that dies while it asks whether an object without a name is in use takes nothing from a
// process that has its handle.
func TestCrashBetweenLooksAtUnnamed(t *testing.T) {
	const name = "reclaim an object without a name"
	c := scenes[slices.IndexFunc(scenes, func(c scene) bool { return c.name == name })]
	between := 0
	proctest.Sweep(t, 1, func(p *proctest.Crash) {
		w := c.newStage(t)
		completed := w.kill(p, name)
		if points := p.Points(); !completed && points[len(points)-1] == "unnamed.closed" {
			between++
			o := w.wholeLone()
			if o == nil {
				t.Fatal("the object is gone although it was not freed")
			}
			if _, err := o.Marshal(); err != nil {
				t.Error(err)
			}
		}
		w.goesOn()
		w.emptied()
	})
	if between != 1 {
		t.Errorf("%d victims died between the looks, want 1", between)
	}
}
