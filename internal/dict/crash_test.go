//go:build crashtest && linux

package dict

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

func sceneOf(name string) scene {
	return scenes[slices.IndexFunc(scenes, func(c scene) bool { return c.name == name })]
}

// victim: PATH SCENE.
var roleVictim = proctest.Register("victim", func(args []string) {
	c := sceneOf(args[1])
	m := openVictim(args[0], c)
	proctest.Armed(func() { c.act(m) })
})

// mender: PATH SCENE, locks the stripe that the victim has left.
var roleMender = proctest.Register("mender", func(args []string) {
	m := openVictim(args[0], sceneOf(args[1]))
	proctest.Armed(func() {
		h, err := m.lock(background, 0)
		must(err)
		h.unlock(&err)
		must(err)
	})
})

func openVictim(path string, c scene) *Map {
	s, err := segment.Open(path)
	must(err)
	m, err := openSingle(s, c.options)
	must(err)
	return m
}

// stage is what the scene plays in: a Dict with one stripe.
func (c scene) stage(t *testing.T) *Map {
	t.Helper()
	s := newSegment(t, 8<<20)
	m, err := openSingle(s, c.options)
	must(err)
	if c.prepare != nil {
		c.prepare(m)
	}
	return m
}

// look checks what a reader sees without a lock.
func (c scene) look(t *testing.T, m *Map, completed bool) {
	t.Helper()
	if got := m.get("target"); got != c.now && (completed || got != c.old) {
		t.Errorf("completed %v: the key is %.40q, want %.40q or %.40q", completed, got, c.now, c.old)
	}
	for i := range c.others {
		key, want := fmt.Sprint("other", i), ""
		if m.words {
			key, want = fmt.Sprintf("oth%03d", i), fmt.Sprintf("val%05d", i)
		}
		got := m.get(key)
		if want == "" {
			want = fmt.Sprint("value", i)
			got = strings.TrimRight(got, "x")
		}
		if got != want {
			t.Errorf("%s is %.40q, want %q", key, got, want)
		}
	}
}

// watch has a reader look all the while.
func (c scene) watch(t *testing.T, m *Map) (stop func()) {
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() && !t.Failed() {
			c.look(t, m, false)
		}
	})
	return func() { done.Store(true); wg.Wait() }
}

// goesOn uses the Dict after all deaths, and takes it apart. No byte may be left.
func (c scene) goesOn(t *testing.T, m *Map) {
	t.Helper()
	must(m.s.Reclaim())
	wantIntact(t, m)
	for i := range 30 {
		if m.words {
			m.mustSet(fmt.Sprintf("new%03d", i), fmt.Sprintf("new%05d", i))
		} else {
			m.mustSet(fmt.Sprint("new", i), strings.Repeat("y", 10*i))
		}
	}
	wantIntact(t, m)
	must(m.s.Remove("m"))
	m.o.Abandon()
	if r, err := m.s.Check(); err != nil || r.Parts != 0 || r.UsedFor != 0 || r.FreeIn != 0 {
		t.Errorf("after the removal: %+v, %v, want an empty heap", r, err)
	}
}

// skips leaves out most points of long scenes, unless SHMKIT_LONG is set.
func skips(n, dense, step int) bool {
	return os.Getenv("SHMKIT_LONG") == "" && n > dense && n%step != 0
}

func TestCrashSweep(t *testing.T) {
	for _, c := range scenes {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			proctest.Sweep(t, c.least, func(v *proctest.Crash) {
				if skips(v.Point, 60, 17) {
					v.Skip()
					return
				}
				m := c.stage(t)
				stop := c.watch(t, m)
				completed := c.die(v, roleVictim, m)
				stop()
				c.look(t, m, completed)
				c.goesOn(t, m)
				m.s.Close()
			})
		})
	}
}

// A second process dies while it mends what the first has left.
func TestCrashWhileMending(t *testing.T) {
	for _, c := range scenes {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			kills := 0
			proctest.Sweep(t, c.least, func(v *proctest.Crash) {
				if skips(v.Point, 0, 5) || skips(v.Point, 60, 85) {
					v.Skip()
					return
				}
				step := 1
				if os.Getenv("SHMKIT_LONG") == "" {
					step = 3
				}
				for k := 1 + v.Point%step; ; k += step {
					m := c.stage(t)
					completed := false
					if k <= step {
						completed = c.die(v, roleVictim, m)
					} else {
						c.die(proctest.CrashAt(t, v.Point), roleVictim, m)
					}
					mended := c.die(proctest.CrashAt(t, k), roleMender, m)
					c.look(t, m, completed)
					c.goesOn(t, m)
					m.s.Close()
					if mended || t.Failed() {
						break
					}
					kills++
				}
			})
			t.Logf("%d second kills", kills)
		})
	}
}

// die has a process of the role die at its crash point, and reports whether it completed instead.
func (c scene) die(v *proctest.Crash, role string, m *Map) (completed bool) {
	v.Start(role, m.s.Path(), c.name)
	return v.Wait()
}
