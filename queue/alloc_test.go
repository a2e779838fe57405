package queue

import (
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/race"
)

// Put and Get allocate nothing, whether they wait or not.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector makes pools forget")
	}
	check := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	for name, policy := range policies {
		there, back := newQueue[line](t, 1, Options{Wait: policy}), newQueue[line](t, 1, Options{Wait: policy})
		check("Put and Get, "+name, func() {
			there.Put(background, line{})
			there.Get(background)
		})
		check("TryPut and TryGet, "+name, func() {
			there.TryGet()
			there.TryPut(line{})
			there.TryPut(line{})
			there.TryGet()
		})
		vs := make([]line, 3)
		wide, dropping := newQueue[line](t, 4, Options{Wait: policy}), newQueue[line](t, 1, Options{Wait: policy, WhenFull: DropOldest})
		check("batches, "+name, func() {
			wide.PutBatch(background, vs)
			wide.GetBatch(background, vs)
		})
		check("without a copy, "+name, func() {
			r, err := wide.Reserve(background)
			wantErr(t, err, nil)
			wantErr(t, r.Commit(), nil)
			p, err := wide.Peek(background)
			wantErr(t, err, nil)
			wantErr(t, p.Release(), nil)
		})
		check("dropping, "+name, func() { dropping.Put(background, line{}) })
		var echo sync.WaitGroup
		echo.Go(func() {
			for v := range there.All(background) {
				back.Put(background, v)
			}
		})
		check("Put and Get that wait, "+name, func() {
			there.Put(background, line{})
			back.Get(background)
		})
		there.Close()
		echo.Wait()
	}
}
