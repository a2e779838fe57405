//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// waitedThings are objects of every kind that a wait can be for.
type waitedThings struct {
	mutex   *shmsync.Mutex
	written *shmsync.RWMutex
	read    *shmsync.RWMutex
	again   *shmsync.RecursiveMutex
	units   *shmsync.Semaphore
	once    *shmsync.Once
	group   *shmsync.WaitGroup
	barrier *shmsync.Barrier
	event   *shmsync.Event
	cond    *shmsync.Cond
	other   *shmsync.Mutex // that of cond
}

func newWaitedThings(seg *shm.Segment) *waitedThings {
	var w waitedThings
	var errs [11]error
	w.mutex, errs[0] = shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{})
	w.written, errs[1] = shmsync.NewRWMutex(seg, "written", shmsync.RWMutexOptions{})
	w.read, errs[2] = shmsync.NewRWMutex(seg, "read", shmsync.RWMutexOptions{})
	w.again, errs[3] = shmsync.NewRecursiveMutex(seg, "again", shmsync.MutexOptions{})
	w.units, errs[4] = shmsync.NewSemaphore(seg, "units", 3, shmsync.SemaphoreOptions{Undo: true})
	w.once, errs[5] = shmsync.NewOnce(seg, "once", shmsync.OnceOptions{})
	w.group, errs[6] = shmsync.NewWaitGroup(seg, "group", shmsync.WaitGroupOptions{Undo: true})
	w.barrier, errs[7] = shmsync.NewBarrier(seg, "barrier", 2, shmsync.BarrierOptions{})
	w.event, errs[8] = shmsync.NewEvent(seg, "event", shmsync.EventOptions{})
	w.cond, errs[9] = shmsync.NewCond(seg, "cond", shmsync.CondOptions{})
	w.other, errs[10] = shmsync.NewMutex(seg, "other", shmsync.MutexOptions{})
	must(errors.Join(errs[:]...))
	return &w
}

// waited-holder: SEGMENT. It holds all that can be held.
var waitedHolder = proctest.Register("waited-holder", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	w := newWaitedThings(seg)
	must(w.mutex.Lock(background))
	must(w.written.Lock(background))
	must(w.read.RLock(background))
	must(w.again.Lock(background, shmsync.NewHolder()))
	must(w.units.Acquire(background, 2))
	must(w.group.Add(5))
	must(w.once.Do(background, func() error {
		proctest.Say("held")
		proctest.Hear() // nothing comes
		return nil
	}))
})

// Every error of a wait that its context has ended names the object, what the wait was for, and the
// process that it waited for; so does the ErrLocked of a lock. It is the context's error as before.
func TestTimeoutsSayWhatTheyWaitedFor(t *testing.T) {
	seg := newSegment(t)
	w := newWaitedThings(seg)
	holder := proctest.Start(t, waitedHolder, seg.Path())
	holder.Expect("held")
	by := fmt.Sprintf("(pid %d)", holder.PID())
	h := shmsync.NewHolder()
	must(w.other.Lock(background))
	for name, c := range map[string]struct {
		wait func(context.Context) error
		want []string
	}{
		"Mutex":           {w.mutex.Lock, []string{`mutex "ledger"`, "lock: held by", by, "since"}},
		"LockRepair":      {func(ctx context.Context) error { return w.mutex.LockRepair(ctx, repaired) }, []string{`mutex "ledger"`, "held by", by, "since"}},
		"RWMutex":         {w.written.Lock, []string{`rwmutex "written"`, "lock: held by", by, "since"}},
		"RWMutex reader":  {w.written.RLock, []string{`rwmutex "written"`, "read lock: held by", by, "since"}},
		"RWMutex readers": {w.read.Lock, []string{`rwmutex "read"`, "lock: read-locked by", by, "since"}},
		"RecursiveMutex":  {w.again.As(h).Lock, []string{`recursive mutex "again"`, "lock: held by", by, "since"}},
		"Semaphore":       {func(ctx context.Context) error { return w.units.Acquire(ctx, 2) }, []string{`semaphore "units"`, "acquire 2 units, 1 are free", "held by", by, "since"}},
		"Once":            {func(ctx context.Context) error { return w.once.Do(ctx, func() error { return nil }) }, []string{`once "once"`, "held by", by, "since"}},
		"WaitGroup":       {w.group.Wait, []string{`wait group "group"`, "5 are not done, added by", by, "since"}},
		"Barrier":         {func(ctx context.Context) error { _, err := w.barrier.Wait(ctx); return err }, []string{`barrier "barrier"`, "not all of 2 have come, missing", by, "since"}},
		"Event":           {w.event.Wait, []string{`event "event"`, "not set", "since"}},
		"Cond":            {func(ctx context.Context) error { return w.cond.Wait(ctx, w.other) }, []string{`cond "cond"`, "not notified", "since"}},
	} {
		t.Run(name, func(t *testing.T) {
			//clock: the time-out is the subject
			ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
			defer cancel()
			wantSays(t, c.wait(ctx), context.DeadlineExceeded, append(c.want, " of "+seg.Path())...)
			if name == "Barrier" {
				w.barrier.Reset()
			}
			sorry := errors.New("sorry")
			ended, end := context.WithCancelCause(background)
			end(sorry)
			if name != "Cond" {
				wantSays(t, c.wait(ended), sorry, c.want[0])
			}
		})
	}
	for _, c := range []struct {
		try  func() error
		want string
	}{
		{w.mutex.TryLock, `mutex "ledger"`}, {w.written.TryLock, `rwmutex "written"`}, {w.written.TryRLock, `rwmutex "written"`},
		{w.again.As(h).TryLock, `recursive mutex "again"`},
	} {
		wantSays(t, c.try(), shmsync.ErrLocked, c.want, by)
	}
	wantSays(t, w.read.TryLock(), shmsync.ErrLocked, `rwmutex "read"`)
	w.other.Unlock()
	holder.Kill()
}

func wantSays(t *testing.T, err, is error, parts ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Fatalf("%v, want %v", err, is)
	}
	t.Log(err)
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// Goroutines that queue behind another one of their process name the holder, too.
func TestTimeoutBehindOthersNamesHolder(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	holder := startAgent(t, seg)
	told(t, holder, "lock a", "ok")
	ctx, cancel := context.WithCancel(background)
	errs := make(chan error)
	for range 5 {
		go func() { errs <- m.Lock(ctx) }()
	}
	asleepOn(t, seg, "a", 1)
	cancel()
	for range 5 {
		wantSays(t, <-errs, context.Canceled, `mutex "a" of `, "held by", fmt.Sprintf("(pid %d)", holder.PID()))
	}
	holder.Kill()
}

// An error of a repair, an action or a function that a lock runs is passed on as it is.
func TestErrorsOfFunctionsStay(t *testing.T) {
	seg := newSegment(t)
	w := newWaitedThings(seg)
	ended, end := context.WithCancel(background)
	end()
	fail := func() error { return context.Cause(ended) }
	if err := w.once.Do(ended, fail); err != context.Canceled {
		t.Errorf("Once: %v", err)
	}
	alone, err := shmsync.NewBarrier(seg, "alone", 1, shmsync.BarrierOptions{Action: fail})
	must(err)
	if _, err := alone.Wait(ended); err != context.Canceled {
		t.Errorf("Barrier: %v", err)
	}
	dieHolding(t, seg, "ledger")
	if err := w.mutex.LockRepair(ended, func(*shmsync.OwnerDiedError) error { return fail() }); err != context.Canceled {
		t.Errorf("LockRepair: %v", err)
	}
	repair(t, w.mutex)
}

// A21: a timed lock on a live holder times out after its second, no earlier.
func TestTimedLockTimesOut(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	holder := startAgent(t, seg)
	told(t, holder, "lock a", "ok")
	ctx, cancel := context.WithTimeout(background, time.Second) //clock: the time-out is the subject
	defer cancel()
	began := time.Now()
	wantErr(t, "the timed lock", m.Lock(ctx), context.DeadlineExceeded)
	if took := time.Since(began); took < time.Second { //clock: the time-out is the subject
		t.Errorf("timed out after %v", took)
	}
	told(t, holder, "unlock a", "ok")
	wantErr(t, "unlocked", m.TryLock(), nil)
	m.Unlock()
	holder.Kill()
}

// A18: five waiters inside Cond.Wait get owner-died one after another, each dying in turn.
func TestFiveCondWaitersDieInTurn(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	var waiters []*proctest.Child
	for range 5 {
		w := proctest.Start(t, condDiesTold, seg.Path())
		w.Expect("waiting")
		waiters = append(waiters, w)
	}
	waitingUnlocked(t, seg, c, 5)
	dieHolding(t, seg, "m")
	lines := make(chan int)
	var all sync.WaitGroup
	for i, w := range waiters {
		all.Go(func() {
			w.Expect("owner died")
			lines <- i
		})
	}
	for range waiters {
		i := <-lines // it is told, has the lock, and dies with it
		wantErr(t, "while it has the lock", m.TryLock(), shmsync.ErrLocked)
		waiters[i].Kill()
	}
	all.Wait()
	wantErr(t, "after six deaths", m.Lock(background), shmsync.ErrOwnerDied)
	if died := repair(t, m); died.PID == 0 {
		t.Errorf("%+v died", died)
	}
	wantErr(t, "after the repair", m.TryLock(), nil)
	m.Unlock()
}

// cond-dies-told: SEGMENT. It waits, says what Wait returned, and keeps the lock.
var condDiesTold = proctest.Register("cond-dies-told", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	c, err := shmsync.NewCond(seg, "c", shmsync.CondOptions{})
	must(err)
	m, err := shmsync.NewMutex(seg, "m", shmsync.MutexOptions{})
	must(err)
	must(m.Lock(background))
	proctest.Say("waiting")
	proctest.Say("%s", verdict(c.Wait(background, m)))
	proctest.Hear() // nothing comes
})
