package pool_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Everything that a program prints says what it is in one line.
func TestPrints(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	p := newLocal(t, pool.Options{Workers: 2})
	child, err := process.Start(t.Context(), nap, 0, process.Options{Name: "napper"})
	if err != nil {
		t.Fatal(err)
	}
	running := fmt.Sprint(child)
	if err := child.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	value, err := shm.NewValue[int64](seg, "value", 1)
	if err != nil {
		t.Fatal(err)
	}
	mutex, err := shmsync.NewMutex(seg, "mutex", shmsync.MutexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := queue.NewBytes(seg, "bytes", 100, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := queue.NewObjects[string](seg, "objects", 100, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		got  any
		want string
	}{
		{p, "pool of 2 workers: 0 tasks, 0 of them queued"}, {square, `task "square"`}, {strings.Contains(running, `process "napper" (pid `), "true"},
		{child, fmt.Sprintf(`process "napper" (pid %d): ended, exit code 0`, child.PID())}, {numbered, `resource "numbered"`},
		{seg, "segment " + seg.Path()}, {value, `Value "value" in segment `}, {mutex, `Mutex "mutex" in segment `},
		{bytes, `Bytes "bytes" in segment `}, {objects, `Objects "objects" in segment `}, {new(shm.Value[int64]), "no object"},
		{queue.DropNewest, "DropNewest"}, {queue.WhenFull(9), "WhenFull(9)"}, {queue.FromOldest, "FromOldest"},
		{shmsync.Park, "Park"}, {shmsync.WaitPolicy(7), "WaitPolicy(7)"}, {process.Current(), "main["},
	} {
		for _, got := range []string{fmt.Sprintln(c.got), fmt.Sprintf("%v\n", c.got), fmt.Sprintf("%+v\n", c.got)} {
			if !strings.HasPrefix(got, c.want) || strings.Count(got, "\n") != 1 || len(got) > 200 {
				t.Errorf("%T prints %q, want %q", c.got, got, c.want)
			}
		}
	}
	p.Close()
	if got := fmt.Sprint(p); got != "pool of 2 workers: 0 tasks, 0 of them queued, ended" {
		t.Error(got)
	}
}
