//go:build crashtest && linux

package cell

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

// scenes are what is stored before, the last of which is there, and what the victim stores.
var scenes = map[string]struct {
	before [][]byte
	now    []byte
	least  int
}{
	"first store": {[][]byte{valueOf('a', 5)}, valueOf('b', 9), 10},
	"in place":    {[][]byte{nil, valueOf('x', 50), valueOf('y', 50), valueOf('a', 40)}, valueOf('b', 45), 3},
	"longer":      {[][]byte{nil, valueOf('x', 50), valueOf('y', 50), valueOf('a', 40)}, valueOf('b', 4500), 20},
	"empty":       {[][]byte{nil, valueOf('x', 50), valueOf('y', 50), valueOf('a', 40)}, nil, 3},
}

// victim: PATH SCENE.
var roleVictim = proctest.Register("victim", func(args []string) {
	s, err := segment.Open(args[0])
	must(err)
	c := openIn(s, nil)
	proctest.Armed(func() { c.mustStore(scenes[args[1]].now) })
})

// mender: PATH.
var roleMender = proctest.Register("mender", func(args []string) {
	s, err := segment.Open(args[0])
	must(err)
	c := openIn(s, nil)
	proctest.Armed(func() {
		must(c.lock(background))
		c.unlock(&err)
		must(err)
	})
})

// A process dies at each point of a Store, and another one at each point of mending it.
func TestCrashSweep(t *testing.T) {
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			proctest.Sweep(t, scene.least, func(v *proctest.Crash) {
				for k, done := 0, false; !done && !t.Failed(); k++ {
					done = crash(t, v, name, k)
				}
			})
		})
	}
}

func crash(t *testing.T, v *proctest.Crash, name string, k int) (done bool) {
	scene := scenes[name]
	s, err := segment.Create(filepath.Join(proctest.Dir(t), "s"), segment.Config{Size: 1 << 20, Objects: 16})
	must(err)
	defer s.Close()
	c := openIn(s, scene.before[0])
	for _, b := range scene.before[1:] {
		c.mustStore(b)
	}
	old := scene.before[len(scene.before)-1]
	v.Start(roleVictim, s.Path(), name)
	completed := v.Wait()
	check := func(when string) {
		t.Helper()
		got, _, err := c.Read(nil)
		must(err)
		if !bytes.Equal(got, scene.now) && (completed || !bytes.Equal(got, old)) {
			t.Errorf("%s, completed %v: %.40q, want %.40q or %.40q", when, completed, got, scene.now, old)
		}
	}
	check("at once")
	if k > 0 {
		m := proctest.CrashAt(t, k)
		m.Start(roleMender, s.Path())
		done = m.Wait()
		check("after the mender")
	}
	must(c.lock(background))
	c.unlock(&err)
	must(err)
	check("after mending")
	if w := c.head.words; w.Adding != 0 || w.Dropping != 0 {
		t.Errorf("words %+v", w)
	}
	c.mustStore(valueOf('z', 3000))
	must(s.Reclaim())
	must(s.Remove("v"))
	c.o.Abandon()
	if r, err := s.Check(); err != nil || r.Parts != 0 || r.UsedFor != 0 {
		t.Errorf("after the removal: %+v, %v", r, err)
	}
	return done || completed && k > 0
}

func (c *Cell) mustStore(value []byte) {
	_, err := c.StoreAfter(background, Any, value)
	must(err)
}
