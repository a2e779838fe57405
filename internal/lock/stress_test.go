//go:build linux

package lock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// The cells of the stress tests, beside the lock in cell 0.
const (
	insideCell = 1 // the process between Lock and Unlock
	countCell  = 2 // how often there was one
	stopCell   = 3 // 1: the workers shall end
	toldCell   = 4 // how often a locker was told of a death
	slowCell   = 5 // how long they stay inside, in pauses
)

// visitInside is a critical section: it fails when another process is in it, or was when it
// died and the error did not say so. It counts without an atomic operation.
func (r *room) visitInside(err error) error {
	inside, count := r.counter(insideCell), r.counter(countCell)
	me := int64(r.party.Member.ID())
	was := inside.Load()
	if died := errors.Is(err, ErrOwnerDied); was != 0 && !died {
		return fmt.Errorf("%#x is inside, too; Lock said %v", was, err)
	}
	inside.Store(me)
	count.Store(count.Load() + 1)
	if err != nil {
		told := r.counter(toldCell)
		told.Store(told.Load() + 1)
	}
	cpu.Pause(uint32(r.counter(slowCell).Load()))
	if is := inside.Load(); is != me {
		return fmt.Errorf("%#x came inside", is)
	}
	inside.Store(0)
	return nil
}

// worker: ROOM GOROUTINES POLICY DEATHS. It locks and unlocks in all ways until it is stopped, then
// says how often it was inside and how long the longest wait was. Where there are no deaths, it
// waits for nothing but wake-ups.
var worker = proctest.Register("worker", func(args []string) {
	r := enterRoom(args[0])
	goroutines, err := strconv.Atoi(args[1])
	locktest.Must(err)
	policy, err := strconv.Atoi(args[2])
	locktest.Must(err)
	ctx := waitsWith(args[3])
	m := NewMutex(r.party, r.Cell(0), wait.Policy(policy))
	proctest.Say("ready")
	var wg sync.WaitGroup
	var mu sync.Mutex
	visits, worst := 0, time.Duration(0)
	for range goroutines {
		wg.Go(func() {
			n, w := r.work(ctx, m)
			mu.Lock()
			defer mu.Unlock()
			visits, worst = visits+n, max(worst, w)
		})
	}
	wg.Wait()
	proctest.Say("%d %d", visits, worst)
})

// work is one goroutine of a worker.
func (r *room) work(ctx context.Context, m *Mutex) (visits int, worst time.Duration) {
	stop := r.counter(stopCell)
	for stop.Load() == 0 {
		began := time.Now()
		err := lockSomehow(ctx, m)
		worst = max(worst, time.Since(began))
		switch {
		case err == nil, errors.Is(err, ErrOwnerDied):
			locktest.Must(r.visitInside(err))
			visits++
			if err != nil {
				m.TryMarkConsistent()
			}
			m.Unlock()
		case err != ErrLocked && !errors.Is(err, context.DeadlineExceeded):
			locktest.Must(err)
		}
	}
	return visits, worst
}

// lockSomehow mostly waits as long as it takes, and sometimes not at all or for a moment.
func lockSomehow(ctx context.Context, m *Mutex) error {
	switch rand.IntN(20) {
	case 0:
		return m.TryLock()
	case 1, 2:
		//clock: waiters that give up are the subject
		soon, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(200))*time.Microsecond)
		defer cancel()
		return m.Lock(soon)
	}
	return m.Lock(ctx)
}

func startWorkers(t *testing.T, path string, n, goroutines int, policy wait.Policy, die string) (all []*proctest.Child) {
	t.Helper()
	for range n {
		c := proctest.Start(t, worker, path, strconv.Itoa(goroutines), strconv.Itoa(int(policy)), die)
		c.Expect("ready")
		all = append(all, c)
	}
	return all
}

// collect stops workers and returns the sum of their visits and the longest wait.
func (r *room) collect(t *testing.T, all []*proctest.Child) (visits int64, worst time.Duration) {
	t.Helper()
	r.counter(stopCell).Store(1)
	for _, c := range all {
		c.WaitOK()
		var n, w int64
		if _, err := fmt.Sscan(c.Line(), &n, &w); err != nil {
			t.Fatal(err)
		}
		visits, worst = visits+n, max(worst, time.Duration(w))
	}
	return visits, worst
}

// Processes lock in all ways at once: none meets another inside, nothing is counted twice
// or not at all, and no wake-up is lost.
func TestStress(t *testing.T) {
	defer wait.SetBackstop(time.Hour)() // so that a lost wake-up hangs
	for _, c := range []struct {
		processes, goroutines int
		policy                wait.Policy
	}{
		{2, 1, wait.Parking}, {3, 2, wait.Parking}, {3, 1, wait.Adaptive}, {6, 3, wait.Parking}, {2, 2, wait.Spinning},
	} {
		t.Run(fmt.Sprintf("processes=%d/goroutines=%d/policy=%d", c.processes, c.goroutines, c.policy), func(t *testing.T) {
			path := newRoom(t)
			r := visit(t, path)
			all := startWorkers(t, path, c.processes, c.goroutines, c.policy, noDeaths)
			enough := int64(locktest.Times(20_000))
			proctest.Eventually(t, hangs, func() bool { return r.counter(countCell).Load() >= enough }, "they go on")
			visits, worst := r.collect(t, all)
			if n := r.counter(countCell).Load(); n != visits {
				t.Errorf("%d visits, %d counted", visits, n)
			}
			m := r.mutex(0)
			if err := m.TryLock(); err != nil {
				t.Errorf("in the end: %v", err)
			} else {
				m.Unlock()
			}
			t.Logf("%d visits, the longest wait was %v", visits, worst)
		})
	}
}

// Workers are killed all the time. The others go on, and are told of deaths inside.
func TestStressKill(t *testing.T) {
	path := newRoom(t)
	r := visit(t, path)
	m := r.mutex(0)
	r.counter(slowCell).Store(1000)
	kills := 0
	workers := startWorkers(t, path, 3, 2, wait.Parking, deaths)
	// On a busy machine there are few kills in that time, and perhaps none while the victim held
	// the lock.
	more := func() bool { return r.counter(toldCell).Load() == 0 && kills < 1000 }
	for ; kills < locktest.Times(100) || more(); kills++ {
		proctest.Stagger(5000 * time.Microsecond) // a random moment is the subject
		i := rand.IntN(len(workers))
		workers[i].Kill()
		err := m.Lock(background)
		if err != nil && !errors.Is(err, ErrOwnerDied) {
			t.Fatalf("after kill %d: %v", kills, err)
		}
		if err := r.visitInside(err); err != nil {
			t.Fatalf("after kill %d: %v", kills, err)
		}
		if err != nil {
			m.TryMarkConsistent()
		}
		m.Unlock()
		workers[i] = startWorkers(t, path, 1, 2, wait.Parking, deaths)[0]
	}
	_, worst := r.collect(t, workers)
	told := r.counter(toldCell).Load()
	if told == 0 || told > int64(kills) {
		t.Errorf("%d processes were killed, mostly while they held the lock, and %d deaths noticed", kills, told)
	}
	t.Logf("%d kills, %d noticed, the longest wait of the last workers was %v", kills, told, worst)
}
