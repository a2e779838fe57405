//go:build crashtest && linux

package shmsync_test

import (
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// once-victim: SEGMENT FUNCTION. Steps counts how far functions have come.
var onceVictim = proctest.Register("once-victim", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	o, err := shmsync.NewOnce(seg, "o", shmsync.OnceOptions{Wait: shmsync.Park})
	must(err)
	steps, err := shm.NewUint32(seg, "steps", 0)
	must(err)
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() {
		err = o.Do(background, func() error {
			steps.Store(1)
			crashpoint.Here("the function")
			proctest.Stagger(10 * time.Millisecond) // for others to come and wait
			steps.Store(2)
			if args[1] == "fail" {
				return errOnce
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errOnce) {
		panic(err)
	}
})

// A process is killed at every point of a Do, with a function that fails or not. It is alone,
// another process waits, or a runner has died before, or is about to die. The function is run to
// its end, and no process waits for a dead one.
func TestOnceCrashSweep(t *testing.T) {
	for _, function := range []string{"succeed", "fail"} {
		for _, situation := range []string{"alone", "with waiters", "after a death", "waits for one who dies"} {
			t.Run(function+"/"+situation, func(t *testing.T) {
				proctest.Sweep(t, 1, func(c *proctest.Crash) { crashOnce(t, c, function, situation) })
			})
		}
	}
}

func crashOnce(t *testing.T, c *proctest.Crash, function, situation string) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	steps, err := shm.NewUint32(seg, "steps", 0)
	must(err)
	v := c.Start(onceVictim, seg.Path(), function)
	v.Expect("ready")
	runs := 0
	got := make(chan error, 1)
	do := func() { got <- o.Do(background, func() error { runs++; steps.Store(2); return nil }) }
	var first *proctest.Child
	if situation == "after a death" || situation == "waits for one who dies" {
		first = startOnceAgent(t, seg)
		first.Send("stall")
		first.Expect("running")
	}
	if situation == "after a death" {
		first.Kill()
	}
	v.Send("go")
	switch situation {
	case "with waiters":
		for look := 0; steps.Load() == 0 && look < 100; look++ {
			// until the victim is at it, or has died before
			proctest.Stagger(200 * time.Microsecond)
		}
		go do()
	case "waits for one who dies":
		proctest.Stagger(10 * time.Millisecond) // so that the victim mostly waits; both must do
		go do()
		first.Kill()
	}
	completed := c.Wait()
	if situation == "alone" || situation == "after a death" {
		go do()
	}
	select {
	case err := <-got:
		if err != nil || !o.Done() || steps.Load() != 2 {
			t.Errorf("%v, done %v, step %d", err, o.Done(), steps.Load())
		}
		if must := function == "fail"; must && runs == 0 {
			t.Error("done by a function that failed")
		}
		if completed && function == "succeed" && situation == "alone" && runs != 0 {
			t.Error("completed, and run again")
		}
	case <-time.After(soon):
		t.Fatalf("crash point %v: stuck", c)
	}
}
