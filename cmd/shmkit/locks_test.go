//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// roleTangle locks the first mutex, says so, and then waits for each further object in a goroutine
// of its own: a mutex, or a queue.
var roleTangle = proctest.Register("tool: tangle", func(args []string) {
	seg := must(shm.Open(args[0]))
	lock := func(name string) error {
		return must(shmsync.NewMutex(seg, name, shmsync.MutexOptions{})).Lock(background)
	}
	must(0, lock(args[1]))
	proctest.Say("has one")
	proctest.Hear()
	for _, name := range args[2:] {
		go func() {
			if name == "queue" {
				must(must(queue.NewQueue[int64](seg, name, 4, queue.Options{})).Get(background))
			}
			must(0, lock(name))
		}()
	}
	proctest.Forever()
})

// Every wait is shown: of a process that waits for itself, behind one that waits for a message in
// another goroutine, and behind a cycle.
func TestLocksShowsEveryWait(t *testing.T) {
	dir := proctest.Dir(t)
	seg := must(shm.Create(filepath.Join(dir, "scene"), shm.Options{Processes: 16}))
	defer seg.Close()
	var all []*proctest.Child
	for _, args := range [][]string{
		{"own", "own"}, {"behind own", "own"},
		{"busy", "queue"}, {"behind busy", "busy"},
		{"left", "right"}, {"right", "left"}, {"behind cycle", "left"},
		{"root"}, {"behind root", "root", "busy"},
	} {
		c := proctest.Start(t, roleTangle, append([]string{seg.Path()}, args...)...)
		c.Expect("has one")
		all = append(all, c)
	}
	for _, c := range all {
		c.Send("go on")
	}
	var missing []string
	var text string
	defer func() {
		if len(missing) > 0 {
			t.Logf("%q is missing in\n%s", missing, text)
		}
	}()
	roots := map[int]string{
		0: "keeps 2 waiting, itself among them", 2: "keeps 2 waiting, and waits itself", 4: "keeps 2 waiting, and waits itself", 7: "keeps 1 waiting$",
	}
	proctest.Eventually(t, proctest.Hang, func() bool {
		var code int
		text, _, code = call("locks", "scene", "-dir", dir)
		missing = nil
		for _, one := range waitsIn(t, dir) {
			if !strings.Contains(spans.ReplaceAllString(text, "waits for"), one) {
				missing = append(missing, one)
			}
		}
		for i, want := range roots {
			root := fmt.Sprintf(`(?m)\(pid %d\), [a-z ]+, %s`, all[i].PID(), want)
			if !regexp.MustCompile(root).MatchString(text) {
				missing = append(missing, root)
			}
		}
		return len(missing) == 0 && code == exitBad
	}, "not all is shown")
	for _, c := range all {
		c.Kill()
	}
}

var spans = regexp.MustCompile(`waits [0-9.]+ [a-z]+ for`)

// waitsIn waits until there are nine waits, and returns them as locks writes them, without the
// time.
func waitsIn(t *testing.T, dir string) (all []string) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		out, _, _ := call("locks", "scene", "-dir", dir, "-json")
		var w struct {
			Segments []struct {
				WaitList []struct {
					Process struct {
						Program string
						PID     int
					}
					Kind, Object, Role string
				}
			}
		}
		must(0, json.Unmarshal([]byte(out), &w))
		all = nil
		for _, one := range w.Segments[0].WaitList {
			all = append(all, fmt.Sprintf(`%s (pid %d) waits for %s %q (%s)`, one.Process.Program, one.Process.PID, one.Kind, one.Object, one.Role))
		}
		return len(all) == 9
	}, "not all wait")
	return all
}
