//go:build crashtest && linux

package queue

import (
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// roleSelectVictim takes what a Select of queues a and b in the segment args[0] returns, three
// times.
var roleSelectVictim = proctest.Register("select-victim", func(args []string) {
	seg := mustOpen(shm.Open(args[0]))
	a, b := mustOpen(OpenQueue[int64](seg, "a", parked)), mustOpen(OpenQueue[int64](seg, "b", parked))
	s := shmsync.NewSelect(a.Gets(), b.Gets())
	proctest.Armed(func() {
		for range 3 {
			i := mustOpen(s.Wait(background))
			mustOpen([]*Queue[int64]{a, b}[i].TryGet())
		}
		proctest.ExitOn(s.Close())
	})
})

// roleSelectHeir gets from queue b of the segment args[0] for ever.
var roleSelectHeir = proctest.Register("select-heir", func(args []string) {
	b := mustOpen(OpenQueue[int64](mustOpen(shm.Open(args[0])), "b", parked))
	for {
		mustOpen(b.Get(background))
	}
})

// A process is killed at every point of a Select, and of what it takes: arming the bells, asking
// for fences, waking, passing on, closing. What it has not taken reaches a Get of another process,
// at worst with the backstop, and no bell stays armed for ever.
func TestSelectCrashSweep(t *testing.T) {
	seen := proctest.Sweep(t, 10, func(c *proctest.Crash) {
		seg := mustOpen(shm.Create(proctest.Dir(t)+"/segment", shm.Options{}))
		defer seg.Close()
		a, b := mustOpen(NewQueue[int64](seg, "a", 4, parked)), mustOpen(NewQueue[int64](seg, "b", 4, parked))
		victim := c.Start(roleSelectVictim, seg.Path())
		asleep.AwaitOrEnd(t, seg, 2, victim)
		heir := proctest.Start(t, roleSelectHeir, seg.Path())
		asleep.AwaitFor(t, seg, "b", 1)
		put := make(chan struct{})
		go func() {
			defer close(put)
			for range 3 { // the victim takes three, of which the heir may take two before it
				mustOpen(0, b.Put(background, 1))
				mustOpen(0, a.Put(background, 1))
			}
		}()
		proctest.Ends(t, put, "there is no room")
		c.Wait()
		proctest.Eventually(t, proctest.Hang, func() bool { return b.Len() == 0 }, "messages are left beside a sleeper")
		mustPut(t, b, 2)
		proctest.Eventually(t, proctest.Hang, func() bool { return b.Len() == 0 }, "the next message is left")
		s := newSelect(t, a.Gets(), b.Gets())
		for a.Len() > 0 {
			wantReady(t, s, 0)
			if _, err := a.TryGet(); err != nil {
				wantErr(t, err, ErrEmpty)
			}
		}
		wantErr(t, seg.Check(), nil)
		heir.Kill()
	})
	for _, point := range []string{"select.armed", "select.woken", "bell.armed", "bell.strict", "bell.fenced"} {
		found := false
		for _, p := range seen {
			found = found || p == point
		}
		if !found {
			t.Errorf("the sweep has not passed %s", point)
		}
	}
}
