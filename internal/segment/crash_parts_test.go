//go:build crashtest && linux

package segment

import (
	"errors"
	"io/fs"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A partScene is something that a process does to the object "p", which has three parts, and dies
// in.
var partScenes = map[string]func(o *Object){
	"add": func(o *Object) {
		off, _, err := o.Seg.AllocDirty(700)
		must(err)
		must(o.Adopt(off, 9))
	},
	"give back": func(o *Object) {
		off := partIn(o)
		must(o.Disown(off, 1))
		must(o.Seg.Free(off))
	},
	"remove": func(o *Object) {
		must(o.Seg.Remove("p"))
		o.Abandon()
		must(o.Seg.Reclaim())
		_, err := o.Seg.Check() // looks at all that was removed
		must(err)
	},
}

// partIn is the first part with the number 1.
func partIn(o *Object) (off uint64) {
	must(o.Seg.locked(func() error {
		return o.Seg.eachBlock(func(at, w uint64) bool {
			if o.Seg.block(at).tag.Load() == partTagOf(o.place, 1) {
				off = at + blockHeaderBytes
			}
			return off == 0
		})
	}))
	return off
}

// part victim: PATH SCENE POINT; the scene "mend" only takes the lock of the directory.
var rolePartVictim = proctest.Register("part victim", func(args []string) {
	s := mustOpen(args[0])
	n, err := strconv.Atoi(args[2])
	must(err)
	scene := partScenes[args[1]]
	if scene == nil {
		crashpoint.Arm(n)
		must(s.Reclaim())
		crashpoint.Disarm()
		return
	}
	o, err := s.Open(partSpec("p"))
	must(err)
	crashpoint.Arm(n)
	scene(o)
	crashpoint.Disarm()
})

func killAtPart(t *testing.T, path, scene string, n int) (completed bool) {
	v := proctest.Start(t, rolePartVictim, path, scene, strconv.Itoa(n))
	state := v.Wait()
	if completed = state.Success(); !completed && state.String() != "signal: killed" {
		t.Fatalf("the victim: %v\n%s", state, v.Stderr())
	}
	return completed
}

// A process dies at each point of a change of parts, then a second one while it mends that.
func TestCrashOfParts(t *testing.T) {
	for name := range partScenes {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				completed := false
				for second := 0; second < 30; second += 9 {
					if completed = crashParts(t, name, n, second); completed {
						break
					}
				}
				if completed {
					t.Logf("%d crash points", n-1)
					return
				}
			}
		})
	}
}

func crashParts(t *testing.T, scene string, n, second int) (completed bool) {
	s, err := Create(freshPath(t), crashConfig)
	must(err)
	defer s.Close()
	o := newParted(t, s, "p")
	for range 3 {
		addPart(t, o, 500, 1)
	}
	o.Abandon()
	completed = killAtPart(t, s.Path(), scene, n)
	if second > 0 {
		killAtPart(t, s.Path(), "mend", second)
	}
	must(s.Reclaim())
	r := checked(t, s)
	want := map[string][]int{"add": {3, 4}, "give back": {3, 2}, "remove": {3, 0}}[scene]
	if r.Parts != want[1] && (completed || r.Parts != want[0]) || r.Blocks != 0 || r.Orphans != 0 {
		t.Errorf("completed %v: %+v, want %v parts", completed, r, want)
	}
	if err := s.Remove("p"); err != nil && (scene != "remove" || !errors.Is(err, fs.ErrNotExist)) {
		t.Error(err)
	}
	if r := checked(t, s); r.Parts != 0 || r.UsedFor != 0 || r.FreeIn != 0 {
		t.Errorf("after the removal: %+v, want an empty heap", r)
	}
	if t.Failed() {
		t.Fatalf("at points %d and %d", n, second)
	}
	return completed
}
