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

// Nothing gets slower with what others have in the segment. The limits are generous: what grows with the number of
// objects or processes is slower by far more.
func TestCostsDoNotGrow(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector is slow")
	}
	objects := 100_000
	if testing.Short() {
		objects = 10_000
	}
	seg, names := crowded(t, objects)
	kept := need(shm.OpenInt64(seg, names[1]))
	if d := best(100, func() { need(shm.OpenInt64(seg, names[1])) }); d > 10*time.Microsecond {
		t.Errorf("finding one of %d objects takes %v", objects, d)
	} else {
		t.Logf("find %v", d)
	}
	if d := best(1, func() { need(shm.Open(seg.Path())).Close() }); d > 5*time.Millisecond {
		t.Errorf("attaching to %d objects takes %v", objects, d)
	} else {
		t.Logf("attach %v", d)
	}
	if d := best(1, func() { need(shm.NewInt64(seg, "one more", 1)); must(seg.RemoveObject("one more")) }); d > time.Millisecond {
		t.Errorf("making and removing one more than %d objects takes %v", objects, d)
	} else {
		t.Logf("make and remove %v", d)
	}
	kept.Add(1)
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
	if update256 > 5*update1+time.Microsecond || add256 > 5*add1+100*time.Nanosecond {
		t.Error(report)
	}
	t.Log(report)
}
