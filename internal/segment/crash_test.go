//go:build crashtest && linux

package segment

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

// victim: PATH SCENE POINT.
var roleVictim = proctest.Register("victim", func(args []string) {
	i := slices.IndexFunc(scenes, func(c scene) bool { return c.name == args[1] })
	n, err := strconv.Atoi(args[2])
	must(err)
	var s *Segment
	if scenes[i].before != nil {
		s = mustOpen(args[0])
		scenes[i].before(s)
	}
	proctest.Say("ready")
	proctest.Hear()
	crashpoint.Trace(func(name string) { lastPoint(args[0], name) })
	crashpoint.Arm(n)
	scenes[i].act(s, args[0])
	crashpoint.Disarm()
})

// lastPoint notes where the victim is, beside the segment's directory.
func lastPoint(path, name string) {
	must(os.WriteFile(filepath.Dir(path)+".point", []byte(name), 0o600))
}

// point is where the last victim died.
func (w *stage) point() string {
	point, err := os.ReadFile(filepath.Dir(w.path) + ".point")
	if err != nil {
		return err.Error()
	}
	return string(point)
}

func TestCrashSweep(t *testing.T) {
	for _, c := range scenes {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			n := 1
			for ; !c.crash(t, n); n++ {
			}
			t.Logf("%d crash points", n-1)
			if n == 1 {
				t.Error("no crash point was passed")
			}
		})
	}
}

// newStage sets the scene.
func (c scene) newStage(t *testing.T) *stage {
	w := &stage{T: t, path: freshPath(t)}
	t.Cleanup(func() { os.Remove(filepath.Dir(w.path) + ".point") })
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

// crash plays the scene with a victim that dies at its n-th crash point, and reports whether it completed instead.
func (c scene) crash(t *testing.T, n int) (completed bool) {
	w := c.newStage(t)
	names := w.names()
	stop := w.lookUp(names, c)
	completed = w.kill(c.name, n)
	w.goesOn()
	stop()
	if c.after != nil {
		c.after(w, completed)
	}
	w.intact(c, names, completed)
	w.emptied()
	if t.Failed() {
		t.Fatalf("point %d, %s", n, w.point())
	}
	return completed
}

// kill runs the victim up to its n-th point.
func (w *stage) kill(scene string, n int) (completed bool) {
	v := proctest.Start(w, roleVictim, w.path, scene, strconv.Itoa(n))
	v.Expect("ready")
	v.Send("go")
	state := v.Wait()
	if completed = state.Success(); !completed && state.String() != "signal: killed" {
		w.Fatalf("the victim: %v\n%s", state, v.Stderr())
	}
	return completed
}

// TestCrashWhileRecovering kills, too, whoever mends what the first victim has left, at each of its points. With
// SHMKIT_LONG=1 it does so for every scene and point, else for some.
func TestCrashWhileRecovering(t *testing.T) {
	long := os.Getenv("SHMKIT_LONG") != ""
	some := []string{"remove object between gaps", "create object and recycle", "free and join both sides"}
	for _, c := range scenes {
		if !long && !slices.Contains(some, c.name) {
			continue
		}
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			kills := 0
			for n := 1; ; n++ {
				if !long && n%12 != 0 && n > 1 {
					n += 11 - n%12
					continue
				}
				w := c.newStage(t)
				names := w.names()
				if w.kill(c.name, n) {
					break
				}
				if left, err := os.ReadFile(w.path); err == nil && w.s.lock.Owner() != 0 {
					kills += recoverAgain(t, c, left, names)
				}
			}
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
	for n := 1; ; n++ {
		w := &stage{T: t, path: written(t, left)}
		var err error
		if w.s, err = Open(w.path); err != nil {
			t.Fatal(err)
		}
		completed := w.kill("recover", n)
		w.goesOn()
		w.intact(scene{name: "recover", maybe: c.maybe}, names, false)
		w.emptied()
		if t.Failed() {
			t.Fatalf("point %d of recovering, %s", n, w.point())
		}
		w.s.Close()
		os.Remove(filepath.Dir(w.path) + ".point")
		os.Remove(w.path)
		if completed {
			return kills
		}
		kills++
	}
}
