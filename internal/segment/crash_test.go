//go:build crashtest && linux

package segment

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// victim: PATH SCENE.
var roleVictim = proctest.Register("victim", func(args []string) {
	i := slices.IndexFunc(scenes, func(c scene) bool { return c.name == args[1] })
	var s *Segment
	if scenes[i].before != nil {
		s = mustOpen(args[0])
		scenes[i].before(s)
	}
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() { scenes[i].act(s, args[0]) })
})

func TestCrashSweep(t *testing.T) {
	for _, c := range scenes {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			proctest.Sweep(t, 1, func(p *proctest.Crash) { c.crash(t, p) })
		})
	}
}

// newStage sets the scene.
func (c scene) newStage(t *testing.T) *stage {
	w := &stage{T: t, path: freshPath(t)}
	var err error
	if w.s, err = Create(w.path, crashConfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.s.Close() })
	if c.prepare != nil {
		c.prepare(w)
	}
	return w
}

// crash plays the scene with a victim that dies at its crash point.
func (c scene) crash(t *testing.T, p *proctest.Crash) {
	w := c.newStage(t)
	names := w.names()
	stop := w.lookUp(names, c)
	completed := w.kill(p, c.name)
	w.goesOn()
	stop()
	if c.after != nil {
		c.after(w, completed)
	}
	w.intact(c, names, completed)
	w.emptied()
}

// kill runs the victim up to its crash point.
func (w *stage) kill(p *proctest.Crash, scene string) (completed bool) {
	v := p.Start(roleVictim, w.path, scene)
	v.Expect("ready")
	v.Send("go")
	return p.Wait()
}

// TestCrashWhileRecovering kills, too, the process that mends what the first victim has left, at
// each of its points. With SHMKIT_LONG=1 it does so for every scene and point, else for some.
func TestCrashWhileRecovering(t *testing.T) {
	long := os.Getenv("SHMKIT_LONG") != ""
	some := []string{"remove object between gaps", "create object and recycle", "free and join both sides"}
	for _, c := range scenes {
		if !long && !slices.Contains(some, c.name) {
			continue
		}
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			kills := 0
			proctest.Sweep(t, 1, func(p *proctest.Crash) {
				if !long && p.Point%12 != 0 && p.Point > 1 {
					p.Skip()
					return
				}
				w := c.newStage(t)
				names := w.names()
				completed := w.kill(p, c.name)
				if left, err := os.ReadFile(w.path); !completed && err == nil && w.s.lock.Owner() != 0 {
					kills += recoverAgain(t, c, left, names)
				}
			})
			t.Logf("%d kills", kills)
			if kills == 0 && c.before != nil && !slices.Contains(unlocked, c.name) {
				t.Error("nothing was recovered")
			}
		})
	}
}

// unlocked are the scenes that never hold the lock.
var unlocked = []string{"open object", "give", "unlink", "detach", "detach with a removed object"}

// recoverAgain lets processes die at each point of recovering a segment that looks like left.
func recoverAgain(t *testing.T, c scene, left []byte, names map[string]int) (kills int) {
	proctest.Sweep(t, 0, func(p *proctest.Crash) {
		w := &stage{T: t, path: written(t, left)}
		var err error
		if w.s, err = Open(w.path); err != nil {
			t.Fatal(err)
		}
		if !w.kill(p, "recover") {
			kills++
		}
		w.goesOn()
		w.intact(scene{name: "recover", maybe: c.maybe}, names, false)
		w.emptied()
		w.s.Close()
		os.Remove(w.path)
	})
	return kills
}
