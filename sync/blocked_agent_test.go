//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// blocked-agent: SEGMENT. It does what it is told, each line an order and the name of a Mutex, and
// reports how that went, but not in doubt of the deadlock option:
//
//	lock NAME, detect NAME (a lock with DetectDeadlock), brief NAME (the same for 300 ms), unlock NAME, repair NAME
//	crowd N (the locks 0 to N-1 at once, each in a goroutine; reports when all are held), leave N (unlocks them)
var blockedAgent = proctest.Register("blocked-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	mutex := func(name string) *shmsync.Mutex {
		m, err := shmsync.NewMutex(seg, name, shmsync.MutexOptions{})
		must(err)
		return m
	}
	detecting := func(name string) *shmsync.Mutex {
		m, err := shmsync.NewMutex(seg, name, shmsync.MutexOptions{DetectDeadlock: true})
		must(err)
		return m
	}
	proctest.Say("ready")
	for {
		order, name, _ := strings.Cut(proctest.Hear(), " ")
		switch order {
		case "lock":
			err = mutex(name).Lock(background)
		case "detect":
			err = detecting(name).Lock(background)
		case "brief":
			//clock: the time-out is the subject
			err = lockWithin(detecting(name), 300*time.Millisecond)
		case "unlock":
			mutex(name).Unlock()
		case "repair":
			err = mutex(name).LockRepair(background, repaired)
		case "crowd":
			err = lockAll(mutex, name)
		case "leave":
			each(name, func(i string) { mutex(i).Unlock() })
		case "exit":
			return
		}
		if errors.Is(err, shmsync.ErrDeadlock) {
			proctest.Say("deadlock")
		} else {
			proctest.Say("%s", verdict(err))
		}
		err = nil
	}
})

func each(number string, f func(i string)) {
	var n int
	fmt.Sscan(number, &n)
	for i := range n {
		f(fmt.Sprint(i))
	}
}

func lockAll(mutex func(string) *shmsync.Mutex, number string) error {
	var wg sync.WaitGroup
	each(number, func(i string) {
		wg.Go(func() { must(mutex(i).Lock(background)) })
	})
	wg.Wait()
	return nil
}

func blockedAgents(t testing.TB, seg *shm.Segment, n int) (agents []*proctest.Child) {
	t.Helper()
	for range n {
		c := proctest.Start(t, blockedAgent, seg.Path())
		c.Expect("ready")
		agents = append(agents, c)
	}
	return agents
}

func report(t testing.TB, seg *shm.Segment) *shmsync.BlockedReport {
	t.Helper()
	r, err := shmsync.Blocked(seg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reportOf waits until that many waits are reported.
func reportOf(t testing.TB, seg *shm.Segment, waits int) (r *shmsync.BlockedReport) {
	t.Helper()
	proctest.Eventually(t, hangs, func() bool {
		r = report(t, seg)
		return len(r.Waits) == waits
	}, fmt.Sprintf("there should be %d waits", waits))
	return r
}

// waitOf is the wait of a process.
func waitOf(t testing.TB, r *shmsync.BlockedReport, c *proctest.Child) shmsync.BlockedWait {
	t.Helper()
	i := slices.IndexFunc(r.Waits, func(w shmsync.BlockedWait) bool { return w.Process.PID == c.PID() })
	if i < 0 {
		t.Fatalf("process %d does not wait:\n%v", c.PID(), r)
	}
	return r.Waits[i]
}

// wantWait fails the test unless the process of waiter waits for the Mutex of that name, which the
// process of holder has.
func wantWait(t testing.TB, r *shmsync.BlockedReport, waiter *proctest.Child, name string, holder *proctest.Child) {
	t.Helper()
	w := waitOf(t, r, waiter)
	if w.Object != name || w.Kind != "Mutex" || w.Role != "lock" || len(w.Holders) != 1 || w.Holders[0].PID != holder.PID() {
		t.Errorf("%+v: want the wait for lock %s of %d", w, name, holder.PID())
	}
	if age := time.Since(w.Since); age < 0 || age > time.Minute {
		t.Errorf("waits for %v", age)
	}
	if w.Process.Attached.IsZero() || w.Process.Program == "" {
		t.Errorf("%+v: who is that?", w.Process)
	}
}

func exit(agents ...*proctest.Child) {
	for _, c := range agents {
		c.Send("exit")
		c.WaitOK()
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}
