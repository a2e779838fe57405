//go:build crashtest && linux

package shmsync_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A groupScene is an operation on a wait group that a victim is killed in, at each crash point in
// turn, and what is around it.
type groupScene struct {
	name        string
	before, act func(g *shmsync.WaitGroup) error
	dead        bool // a process died that had added three, which only makes sense with undo
	// so much the test has added, and does some milliseconds after the victim began
	added int64
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

// waitgroup-crasher: SEGMENT SCENE.
var waitGroupCrasher = proctest.Register("waitgroup-crasher", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	g, err := shmsync.OpenWaitGroup(seg, "g", shmsync.WaitGroupOptions{})
	must(err)
	scene, err := strconv.Atoi(args[1])
	must(err)
	must(groupScenes[scene].before(g))
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() { must(groupScenes[scene].act(g)) })
})

// A process dies at each point while it adds, is done, waits, or recounts after a death. With undo
// the waiters go on in time, and the count is the sum of what the living have added. Without it
// they go on when a process makes up for what is missing.
func TestWaitGroupCrashSweep(t *testing.T) {
	for i, scene := range groupScenes {
		for _, undo := range []bool{false, true} {
			if scene.dead && !undo {
				continue
			}
			t.Run(fmt.Sprintf("%s/undo=%v", scene.name, undo), func(t *testing.T) {
				proctest.Sweep(t, 1, func(c *proctest.Crash) { scene.crash(t, c, i, undo) })
			})
		}
	}
}

func (x groupScene) crash(t *testing.T, c *proctest.Crash, scene int, undo bool) {
	seg := newSegment(t)
	g := newWaitGroup(t, seg, "g", undo)
	if x.dead {
		dead := startWaitGroupAgent(t, seg)
		told(t, dead, "add 3", "ok")
		dead.Kill()
	}
	v := c.Start(waitGroupCrasher, seg.Path(), fmt.Sprint(scene))
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
	completed := c.Wait()
	if x.dead {
		waiter.Send("timed 0")
	}
	if lost := g.Count(); lost != 0 {
		if undo || completed {
			t.Errorf("the count is %d", lost)
		}
		wantErr(t, "make up for it", g.Add(-lost), nil)
	}
	if line := waiter.Line(); line != "ok" {
		t.Errorf("the waiter: %s", line)
	}
	waiter.Kill()
	wantErr(t, "wait in the end", waitWithin(g, soon), nil)
	wantErr(t, "use it again", addAndDone(g), nil)
	wantCount(t, g, 0)
}
