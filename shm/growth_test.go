//go:build linux

package shm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
)

// best is the shortest of a few runs, per step: what a busy machine cannot make shorter.
func best(steps int, run func()) time.Duration {
	shortest := time.Duration(1 << 62)
	for range 20 {
		began := time.Now()
		for range steps {
			run()
		}
		shortest = min(shortest, time.Since(began))
	}
	return shortest / time.Duration(steps)
}

// Nothing gets much slower with what others have in the segment: far from as much as there are more
// objects or processes.
func TestCostsDoNotGrow(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector is slow")
	}
	const few, more = 100, 50
	objects := 100_000
	if testing.Short() {
		objects = 20_000
	}
	costs := func(objects int) (all [3]time.Duration) {
		seg, names := crowded(t, objects)
		kept := need(shm.OpenInt64(seg, names[1]))
		all[0] = best(100, func() { need(shm.OpenInt64(seg, names[1])) })
		all[1] = best(1, func() { need(shm.Open(seg.Path())).Close() })
		all[2] = best(1, func() { need(shm.NewInt64(seg, "one more", 1)); must(seg.RemoveObject("one more")) })
		kept.Add(1)
		return all
	}
	lone, crowd := costs(few), costs(objects)
	for i, what := range []string{"finding one", "attaching", "making and removing one"} {
		t.Logf("%s: %v, of %d objects %v", what, lone[i], objects, crowd[i])
		if crowd[i] > more*lone[i] { //clock: a ratio of the best of many, in one run
			t.Errorf("%s takes %v, of %d objects %v", what, lone[i], objects, crowd[i])
		}
	}
}

func TestCostsDoNotGrowWithProcesses(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector is slow")
	}
	costs := func(parties int) (update, add time.Duration) {
		seg := newSegment(t, shm.Options{Size: 4 << 20})
		attached(t, seg, parties)
		v, c := need(shm.NewValue[int64](seg, "v", 0)), need(shm.NewCounter(seg, "c"))
		update = best(1000, func() { must(v.Update(background, func(n *int64) error { *n++; return nil })) })
		return update, best(1000, func() { c.Add(1) })
	}
	update1, add1 := costs(1)
	update256, add256 := costs(256)
	report := fmt.Sprintf("Value.Update %v alone, %v of 256; Counter.Add %v alone, %v of 256", update1, update256, add1, add256)
	if update256 > 50*update1 || add256 > 50*add1 { //clock: a ratio of the best of many, in one run
		t.Error(report)
	}
	t.Log(report)
}
