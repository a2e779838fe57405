//go:build crashtest && linux

package shmsync_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A groupScene is an operation on a wait group that a victim is killed in, at each crash point in turn, and what is around it.
type groupScene struct {
	name        string
	before, act func(g *shmsync.WaitGroup) error
	dead        bool  // a process died that had added three, which only makes sense with undo
	added       int64 // so much the test has added, and does some milliseconds after the victim began
}

var groupScenes = []groupScene{
	{name: "add and done", before: nothingAdded, act: func(g *shmsync.WaitGroup) error { return addAndDone(g) }},
	{name: "last done", before: func(g *shmsync.WaitGroup) error { return g.Add(1) }, act: (*shmsync.WaitGroup).Done},
	{name: "wait", before: nothingAdded, act: func(g *shmsync.WaitGroup) error { return g.Wait(background) }, added: 1},
	{name: "add after a death", before: nothingAdded, act: func(g *shmsync.WaitGroup) error { return addAndDone(g) }, dead: true},
	{name: "wait after a death", before: nothingAdded, act: func(g *shmsync.WaitGroup) error { return g.Wait(background) }, dead: true},
}

func nothingAdded(*shmsync.WaitGroup) error { return nil }

func addAndDone(g *shmsync.WaitGroup) error {
	if err := g.Add(2); err != nil {
		return err
	}
	return g.Add(-2)
}

// waitgroup-crasher: SEGMENT SCENE POINT.
var waitGroupCrasher = proctest.Register("waitgroup-crasher", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	g, err := shmsync.OpenWaitGroup(seg, "g", shmsync.WaitGroupOptions{})
	must(err)
	scene, err := strconv.Atoi(args[1])
	must(err)
	n, err := strconv.Atoi(args[2])
	must(err)
	must(groupScenes[scene].before(g))
	proctest.Say("ready")
	proctest.Hear()
	crashpoint.Arm(n)
	must(groupScenes[scene].act(g))
	crashpoint.Disarm()
})

// Wherever a process dies while it adds, is done, waits or counts what the dead had not done: with undo those who wait go on in time, and
// the count is what the living have added. Without, they do when somebody makes up for what is missing.
func TestWaitGroupCrashSweep(t *testing.T) {
	for i, scene := range groupScenes {
		for _, undo := range []bool{false, true} {
			if scene.dead && !undo {
				continue
			}
			t.Run(fmt.Sprintf("%s/undo=%v", scene.name, undo), func(t *testing.T) {
				n := 1
				for ; !scene.crash(t, i, undo, n); n++ {
				}
				t.Logf("%d crash points", n-1)
				if n == 1 {
					t.Error("no crash point was passed")
				}
			})
		}
	}
}

func (x groupScene) crash(t *testing.T, scene int, undo bool, n int) (completed bool) {
	seg := newSegment(t)
	g := newWaitGroup(t, seg, "g", undo)
	if x.dead {
		c := startWaitGroupAgent(t, seg)
		told(t, c, "add 3", "ok")
		c.Kill()
	}
	v := proctest.Start(t, waitGroupCrasher, seg.Path(), fmt.Sprint(scene), fmt.Sprint(n))
	v.Expect("ready")
	wantErr(t, "add", g.Add(x.added), nil)
	waiter := startWaitGroupAgent(t, seg)
	if !x.dead { // else it would count anew
		waiter.Send("timed 0")
		proctest.Stagger(2 * unitsSleep) // so that they mostly sleep; both must do
	}
	v.Send("go")
	if x.added > 0 {
		proctest.Stagger(2 * unitsSleep) // so that they mostly sleep; both must do
		wantErr(t, "done", g.Add(-x.added), nil)
	}
	state := v.Wait()
	if completed = state.Success(); !completed && state.String() != "signal: killed" {
		t.Fatalf("point %d: %v\n%s", n, state, v.Stderr())
	}
	if x.dead {
		waiter.Send("timed 0")
	}
	if lost := g.Count(); lost != 0 {
		if undo || completed {
			t.Errorf("point %d: the count is %d", n, lost)
		}
		wantErr(t, "make up for it", g.Add(-lost), nil)
	}
	if line := waiter.Line(); line != "ok" {
		t.Errorf("point %d: the waiter: %s", n, line)
	}
	waiter.Kill()
	wantErr(t, "wait in the end", waitWithin(g, soon), nil)
	wantErr(t, "use it again", addAndDone(g), nil)
	wantCount(t, g, 0)
	return completed
}
