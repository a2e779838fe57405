//go:build linux

package inspect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// holder takes a part of each object of the segment at args[0], and waits for its end.
var roleHolder = proctest.Register("inspect: holder", func(args []string) {
	seg := must(shm.Open(args[0]))
	check := func(err error) { must(0, err) }
	check(must(shmsync.OpenMutex(seg, "ledger", shmsync.MutexOptions{})).Lock(background))
	check(must(shmsync.OpenRWMutex(seg, "prices", shmsync.RWMutexOptions{})).RLock(background))
	check(must(shmsync.OpenSemaphore(seg, "desks", shmsync.SemaphoreOptions{})).Acquire(background, 2))
	must(must(queue.OpenQueue[int64](seg, "orders", queue.Options{})).Reserve(background))
	must(must(queue.OpenQueue[int64](seg, "jobs", queue.Options{})).Peek(background))
	check(must(queue.OpenSPSC[int64](seg, "line", queue.Options{})).Put(background, 1))
	proctest.Say("holds")
	proctest.Hear()
})

var roleVisitor = proctest.Register("inspect: visitor", func(args []string) {
	must(0, must(shm.Open(args[0])).Close())
})

// holdings makes what a holder takes, and returns what takes each over.
func holdings(t *testing.T, seg *shm.Segment) map[string]func() error {
	repair := func(*shmsync.OwnerDiedError) error { return nil }
	ledger := must(shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{}))
	prices := must(shmsync.NewRWMutex(seg, "prices", shmsync.RWMutexOptions{}))
	desks := must(shmsync.NewSemaphore(seg, "desks", 3, shmsync.SemaphoreOptions{Undo: true}))
	orders := must(queue.NewQueue[int64](seg, "orders", 4, queue.Options{}))
	jobs := must(queue.NewQueue[int64](seg, "jobs", 1, queue.Options{}))
	line := must(queue.NewSPSC[int64](seg, "line", 4, queue.Options{}))
	check(t, jobs.Put(background, 7))
	return map[string]func() error{
		`Mutex "ledger" (lock)`:        func() error { return ledger.LockRepair(background, repair) },
		`RWMutex "prices" (read lock)`: func() error { return prices.Lock(background) },
		`Semaphore "desks" (acquire)`:  func() error { return desks.Acquire(background, 3) },
		`Queue "orders" (put)`:         func() error { _, err := orders.TryGet(); return notEmpty(err) },
		`Queue "jobs" (get)`:           func() error { return jobs.TryPut(8) },
		`SPSC "line" (put)`:            func() error { return line.Put(background, 2) },
	}
}

func notEmpty(err error) error {
	if err == nil {
		return fmt.Errorf("there is a message")
	}
	return nil
}

// What a process held that was killed, and which process took each over, is in the segment
// afterwards, also when the process table knows nothing of them any more.
func TestIncidents(t *testing.T) {
	seg := newSegment(t, shm.Options{Processes: 2})
	takes := holdings(t, seg)
	child := proctest.Start(t, roleHolder, seg.Path())
	child.Expect("holds")
	if s := read(t, seg.Path()); s.Deaths != 0 || len(s.Incidents) != 0 {
		t.Fatalf("before: %d deaths, %v", s.Deaths, s.Incidents)
	}
	pid, attached := child.PID(), read(t, seg.Path()).LastAttach
	child.Kill()
	if s := read(t, seg.Path()); s.Deaths != 1 || len(s.Incidents) != 0 {
		t.Errorf("a death that no process has noticed: %d, %v", s.Deaths, s.Incidents)
	}
	for name, take := range takes {
		if err := take(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 3 { // its slot is another's now
		proctest.Start(t, roleVisitor, seg.Path()).WaitOK()
	}
	s := read(t, seg.Path())
	if s.Deaths != 1 || s.Takeovers != uint64(len(takes)) || s.Rebuilds != 0 {
		t.Errorf("%d deaths, %d takeovers, %d rebuilds, want 1, %d, 0", s.Deaths, s.Takeovers, s.Rebuilds, len(takes))
	}
	took := map[string]int{}
	for _, i := range s.Incidents {
		if i.Dead.PID != pid || i.By.PID != myPID || i.Time.Before(attached) || !strings.Contains(i.String(), fmt.Sprintf("pid %d", pid)) {
			t.Errorf("%+v: %v", i, i)
		}
		if i.Kind == "takeover" {
			took[fmt.Sprintf("%s %q (%s)", i.ObjectKind, i.Object, i.Role)]++
		}
	}
	for name := range takes {
		if took[name] != 1 {
			t.Errorf("%s was taken over %d times: %v", name, took[name], s.Incidents)
		}
	}
}
