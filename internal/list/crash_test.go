//go:build crashtest && linux

package list

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

// A scene is an operation on the List "l", which holds elements a to e, and what it holds
// afterwards.
type scene struct {
	act   func(l *List)
	now   string
	least int
}

var scenes = map[string]scene{
	"append": {func(l *List) { _, err := l.Append(background, elementOf('x')); must(err) }, "abcdex", 2},
	"append that adds a chunk": {func(l *List) {
		_, err := l.Append(background, bytes.Repeat(elementOf('x'), 200))
		must(err)
	}, "abcde" + string(bytes.Repeat([]byte("x"), 200)), 20},
	"set":      {func(l *List) { _, err := l.Set(background, 2, elementOf('x')); must(err) }, "abxde", 4},
	"truncate": {func(l *List) { must(l.Truncate(background, 3)) }, "abc", 2},
	"pop and append": {func(l *List) {
		must(l.Truncate(background, 4))
		_, err := l.Append(background, elementOf('x'))
		must(err)
	}, "abcdx", 4},
}

func openList(path string) *List {
	s, err := segment.Open(path)
	must(err)
	return openIn(s)
}

// victim: PATH SCENE.
var roleVictim = proctest.Register("victim", func(args []string) {
	l := openList(args[0])
	proctest.Armed(func() { scenes[args[1]].act(l) })
})

// mender: PATH.
var roleMender = proctest.Register("mender", func(args []string) {
	l := openList(args[0])
	proctest.Armed(func() {
		must(l.Lock(background))
		var err error
		l.Unlock(&err)
		must(err)
	})
})

// content is the List as a reader sees it.
func (l *List) content(t *testing.T) string {
	t.Helper()
	var all []byte
	e := make([]byte, size)
	for i := range l.Len() {
		ok, err := l.At(i, e)
		must(err)
		if !ok || !bytes.Equal(e, elementOf(e[0])) {
			t.Errorf("element %d: %v, %q", i, ok, e)
		}
		all = append(all, e[0])
	}
	return string(all)
}

// A process dies at each point of a change, and another one at each point of mending it.
func TestCrashSweep(t *testing.T) {
	for name, c := range scenes {
		t.Run(name, func(t *testing.T) {
			proctest.Sweep(t, c.least, func(v *proctest.Crash) {
				for k := 0; ; k++ {
					if done := c.crash(t, v, name, k); done || t.Failed() {
						return
					}
				}
			})
		})
	}
}

// crash plays the scene, with a mender that dies at its k-th point if k is not 0. It reports true
// when the mender has completed.
func (c scene) crash(t *testing.T, v *proctest.Crash, name string, k int) (done bool) {
	s, err := segment.Create(filepath.Join(proctest.Dir(t), "s"), segment.Config{Size: 1 << 20, Objects: 16})
	must(err)
	defer s.Close()
	l := openIn(s)
	for _, e := range "abcde" {
		_, err := l.Append(background, elementOf(byte(e)))
		must(err)
	}
	v.Start(roleVictim, s.Path(), name)
	completed := v.Wait()
	check := func(when string) {
		t.Helper()
		if got := l.content(t); got != c.now && (completed || got != "abcde" && !(name == "pop and append" && got == "abcd")) {
			t.Errorf("%s, completed %v: %q, want %q", when, completed, got, c.now)
		}
	}
	check("at once")
	if k > 0 {
		m := proctest.CrashAt(t, k)
		m.Start(roleMender, s.Path())
		done = m.Wait()
		check("after the mender")
	}
	must(l.Lock(background))
	l.Unlock(&err)
	must(err)
	check("after mending")
	if s := l.head.sequence.Load(); s&1 != 0 || l.head.words.Adding != 0 || l.head.words.Dropping != 0 {
		t.Errorf("sequence %d, words %+v", s, l.head.words)
	}
	_, err = l.Append(background, bytes.Repeat(elementOf('z'), 300))
	must(err)
	must(s.Reclaim())
	must(s.Remove("l"))
	l.o.Abandon()
	if r, err := s.Check(); err != nil || r.Parts != 0 || r.UsedFor != 0 {
		t.Errorf("after the removal: %+v, %v", r, err)
	}
	return done || completed && k > 0
}

func elementOf(c byte) []byte { return bytes.Repeat([]byte{c}, size) }
