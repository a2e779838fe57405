//go:build crashtest && linux

package segment

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
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
		return o.Seg.dir.EachUsed(func(at, _, tag uint64) bool {
			if tag == directory.PartTag(o.index, o.serial, 1) {
				off = at
			}
			return off == 0
		})
	}))
	return off
}

// part victim: PATH SCENE; the scene "mend" only takes the lock of the directory.
var rolePartVictim = proctest.Register("part victim", func(args []string) {
	s := mustOpen(args[0])
	scene := partScenes[args[1]]
	if scene == nil {
		proctest.Armed(func() { must(s.Reclaim()) })
		return
	}
	o, err := s.Open(partSpec("p"))
	must(err)
	proctest.Armed(func() { scene(o) })
})

func killAtPart(p *proctest.Crash, path, scene string) (completed bool) {
	p.Start(rolePartVictim, path, scene)
	return p.Wait()
}

// A process dies at each point of a change of parts, then a second one while it mends that.
func TestCrashOfParts(t *testing.T) {
	for name := range partScenes {
		t.Run(name, func(t *testing.T) {
			proctest.Sweep(t, 1, func(p *proctest.Crash) {
				for second := 0; second < 30 && !crashParts(t, p, name, second); second += 9 {
				}
			})
		})
	}
}

func crashParts(t *testing.T, p *proctest.Crash, scene string, second int) (completed bool) {
	s, err := Create(freshPath(t), crashConfig)
	must(err)
	defer s.Close()
	o := newParted(t, s, "p")
	for range 3 {
		addPart(t, o, 500, 1)
	}
	o.Abandon()
	completed = killAtPart(p, s.Path(), scene)
	if second > 0 {
		killAtPart(proctest.CrashAt(t, second), s.Path(), "mend")
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
		t.Fatalf("at crash point %v, and then at %d", p, second)
	}
	return completed
}
