//go:build crashtest && linux

package segment

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A process is killed at each point of making and of removing objects, and no other one mends what
// it has left. A process that only reads finds all objects that were there, whole, without the
// lock; the one that the scene is about is there as a whole or not at all; and not a byte changes.
func TestCrashBesideReader(t *testing.T) {
	points := 0
	for _, c := range scenes {
		if !strings.HasPrefix(c.name, "remove ") && !strings.HasPrefix(c.name, "create object") {
			continue
		}
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			proctest.Sweep(t, 1, func(p *proctest.Crash) {
				w := c.newStage(t)
				names := w.names()
				must(w.s.Close()) // the victim is alone, so that no process mends
				w.kill(p, c.name)
				w.readWithoutLock(c, names)
				points++
			})
		})
	}
	t.Logf("%d points", points)
	if points == 0 {
		t.Error("no scene makes or removes an object")
	}
}

// readWithoutLock finds what the segment has for a process that only reads.
func (w *stage) readWithoutLock(c scene, names map[string]int) {
	before, err := os.ReadFile(w.path)
	must(err)
	s, err := OpenReadOnly(w.path)
	must(err)
	for _, name := range append([]string{"x"}, c.maybe...) {
		if _, ok := names[name]; !ok {
			names[name] = 0 // of any size, if it is there
		}
	}
	for name, n := range names {
		o, err := s.Open(rawSpec(name, AnySize))
		switch touched := n == 0 || name == "x" || slices.Contains(c.maybe, name); {
		case touched && errors.Is(err, fs.ErrNotExist):
		case err != nil:
			w.Errorf("open %q: %v", name, err)
		case n != 0 && len(o.Payload) != n:
			w.Errorf("%q has %d bytes, want %d", name, len(o.Payload), n)
		case bytes.Count(o.Payload, []byte{markOf(name)}) != len(o.Payload):
			w.Errorf("%q is not whole", name)
		}
	}
	must(s.Close())
	after, err := os.ReadFile(w.path)
	must(err)
	if !bytes.Equal(before, after) {
		w.Error("a process that only reads has changed the segment")
	}
}
