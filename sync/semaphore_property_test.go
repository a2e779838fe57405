//go:build linux

package shmsync_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// unitsInPlay is a semaphore beside a plain description of what it should be, used by three
// parties; one that closes has died for the others, and comes again.
type unitsInPlay struct {
	t       *testing.T
	path    string
	options shmsync.SemaphoreOptions
	units   int64
	segs    [3]*shm.Segment
	sems    [3]*shmsync.Semaphore

	free int64
	has  [3]int64
}

func (u *unitsInPlay) join(i int) {
	seg, err := shm.Open(u.path)
	must(err)
	u.segs[i] = seg
	u.sems[i], err = shmsync.NewSemaphore(seg, "s", u.units, u.options)
	must(err)
}

func (u *unitsInPlay) leave(rt *rapid.T, i int) {
	err := u.segs[i].Close()
	if held := errors.As(err, new(*shm.HeldError)); held != (u.options.Undo && u.has[i] > 0) {
		rt.Fatalf("close with %d units: %v", u.has[i], err)
	}
	if u.options.Undo {
		u.free += u.has[i]
		u.has[i] = 0
	}
}

func (u *unitsInPlay) acquire(rt *rapid.T, i int, n int64) {
	err := u.sems[i].TryAcquire(n)
	want := error(nil)
	if n > u.free {
		want = shmsync.ErrLocked
	}
	if !errors.Is(err, want) {
		rt.Fatalf("acquire %d of %d: %v, want %v", n, u.free, err, want)
	}
	if err == nil {
		u.free -= n
		u.has[i] += n
	}
}

func (u *unitsInPlay) release(rt *rapid.T, i int, n int64) {
	err := u.sems[i].Release(n)
	over := u.options.Undo && n > u.has[i] || u.options.Max > 0 && n > u.options.Max-u.free
	if over != errors.Is(err, shmsync.ErrOverRelease) || !over && err != nil {
		rt.Fatalf("release %d with %d, %d are free: %v", n, u.has[i], u.free, err)
	}
	if !over {
		u.free += n
		u.has[i] -= n
	}
}

// Whatever is done to a semaphore, one after the other, it is what a plain number would be.
func TestSemaphoreProperty(t *testing.T) {
	t.Parallel()
	patience := 30 // how rare a Close that waits is
	if long {
		patience = 5
	}
	rapid.Check(t, func(rt *rapid.T) {
		u := &unitsInPlay{t: t, units: rapid.Int64Range(1, 8).Draw(rt, "units")}
		u.options.Undo = rapid.Bool().Draw(rt, "undo")
		if rapid.Bool().Draw(rt, "bounded") {
			u.options.Max = u.units + rapid.Int64Range(0, 3).Draw(rt, "room")
		}
		u.free = u.units
		u.path = newSegment(t).Path()
		for i := range u.segs {
			u.join(i)
			defer func() {
				if u.options.Undo {
					u.sems[i].Release(u.has[i]) // a Close would wait for it
				}
				u.segs[i].Close()
			}()
		}
		party := rapid.IntRange(0, len(u.segs)-1)
		some := rapid.Int64Range(1, u.units)
		rt.Repeat(map[string]func(*rapid.T){
			"acquire": func(rt *rapid.T) { u.acquire(rt, party.Draw(rt, "who"), some.Draw(rt, "n")) },
			"release": func(rt *rapid.T) { u.release(rt, party.Draw(rt, "who"), some.Draw(rt, "n")) },
			"leave and come again": func(rt *rapid.T) {
				i := party.Draw(rt, "who")
				if u.options.Undo && u.has[i] > 0 && rapid.IntRange(0, patience).Draw(rt, "patience") > 0 {
					rt.Skip("Close waits a while for units that are held")
				}
				u.leave(rt, i)
				u.join(i)
			},
			"": func(rt *rapid.T) {
				for i := range u.sems {
					if n := u.sems[i].Available(); n != u.free {
						rt.Fatalf("%d units are available, want %d", n, u.free)
					}
				}
			},
		})
	})
}
