//go:build linux

package lock

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

var (
	background = context.Background()

	// patient is for waits that nothing but a wake-up shall end: one that is lost is felt.
	patient = wait.WithLongSleep(background)
)

// Whether processes that could owe a wake-up may die.
const (
	deaths   = "deaths"
	noDeaths = "no deaths"
)

// waitsWith is the context of waits that may meet deaths, or none.
func waitsWith(die string) context.Context {
	if die == noDeaths {
		return patient
	}
	return background
}

// soon is a context that ends when something hangs.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(background, hangs)
	t.Cleanup(cancel)
	return ctx
}

// holder locks cell 0 and waits to be told what to do with it.
var holder = proctest.Register("holder", func(args []string) {
	m := enterRoom(args[0]).mutex(0)
	err := m.Lock(background)
	if err != nil && !errors.Is(err, ErrOwnerDied) {
		locktest.Must(err)
	}
	proctest.Say("locked")
	for {
		switch proctest.Hear() {
		case "unlock":
			m.Unlock()
			proctest.Say("unlocked")
		case "end":
			os.Exit(0)
		}
	}
})

func startHolder(t *testing.T, path string) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, holder, path)
	c.Expect("locked")
	return c
}

func TestUncontended(t *testing.T) {
	r := visit(t, newRoom(t))
	m := r.mutex(0)
	for range 1000 {
		if err := m.Lock(background); err != nil {
			t.Fatal(err)
		}
		if !m.Held() || m.Owner() != r.party.Member.ID() {
			t.Fatalf("held %v by %v", m.Held(), m.Owner())
		}
		m.Unlock()
		if m.Held() || m.Owner() != 0 {
			t.Fatal("unlocked, and still held")
		}
	}
	if *m.r != (MutexRegion{}) {
		t.Errorf("uncontended use left %+v", m.r)
	}
}

// What TryLock says to each state of the word.
func TestTryLockStates(t *testing.T) {
	r := visit(t, newRoom(t))
	me := uint32(r.party.Member.ID())
	dead := deadOwner(t, r)
	for _, c := range []struct {
		name     string
		word     uint32
		starving uint32
		want     error
		then     uint32
	}{
		{"free", 0, 0, nil, me},
		{"held", me, 0, ErrLocked, me},
		{"handed to a sibling who waits", me | handed, me, ErrLocked, me | handed},
		{"handed to a sibling who gave up", me | handed, 0, nil, me},
		{"held by the dead", dead, 0, ErrOwnerDied, me | inconsistent},
		{"handed to the dead", dead | handed, dead, nil, me},
		{"inconsistent and held by the dead", dead | inconsistent, 0, ErrOwnerDied, me | inconsistent},
		{"inconsistent and held", me | inconsistent, 0, ErrLocked, me | inconsistent},
		{"abandoned", inconsistent, 0, ErrOwnerDied, me | inconsistent},
		{"damaged", proctab.OwnerMask, 0, ErrOwnerDied, me | inconsistent},
		{"damaged with stray bits", proctab.OwnerMask | handed | inconsistent, 0, ErrOwnerDied, me | inconsistent},
	} {
		m := r.mutex(0)
		m.r.word.Store(c.word)
		m.r.starving.Store(c.starving)
		if err := m.TryLock(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if w := m.r.word.Load(); w != c.then {
			t.Errorf("%s: the word became %#x, want %#x", c.name, w, c.then)
		}
		*m.r = MutexRegion{}
	}
}

// deadOwner returns the id of a process that was killed.
func deadOwner(t *testing.T, r *room) uint32 {
	t.Helper()
	path := r.Path
	c := startHolder(t, path)
	id := uint32(r.mutex(0).Owner())
	c.Kill()
	*r.mutex(0).r = MutexRegion{}
	return id
}

func TestUnlockByOthersPanics(t *testing.T) {
	path := newRoom(t)
	r := visit(t, path)
	m := r.mutex(0)
	for _, c := range []struct {
		name string
		word uint32
	}{
		{"free", 0}, {"abandoned", inconsistent}, {"damaged", proctab.OwnerMask}, {"handed", m.me | handed}, {"another's", 12345},
	} {
		m.r.word.Store(c.word)
		if !panics(m.Unlock) {
			t.Errorf("Unlock of a lock that is %s does not panic", c.name)
		}
		if m.TryUnlock() || m.TryMarkConsistent() {
			t.Errorf("TryUnlock or TryMarkConsistent of a lock that is %s reports true", c.name)
		}
		if w := m.r.word.Load(); w != c.word {
			t.Errorf("they made a lock that is %s %#x", c.name, w)
		}
	}
	m.r.word.Store(0)
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func TestAnyGoroutineUnlocks(t *testing.T) {
	m := visit(t, newRoom(t)).mutex(0)
	locktest.Must(m.Lock(background))
	var wg sync.WaitGroup
	wg.Go(m.Unlock)
	wg.Wait()
	locktest.Must(m.Lock(soon(t)))
	m.Unlock()
}

func TestContextEnds(t *testing.T) {
	for _, policy := range []wait.Policy{wait.Adaptive, wait.Parking, wait.Spinning} {
		path := newRoom(t)
		r := visit(t, path)
		m := NewMutex(r.party, r.Cell(0), policy)
		other := startHolder(t, path)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(background)
		waits := proctest.MustBlock(t, func() {
			if err := m.Lock(ctx); err != cause {
				t.Errorf("policy %v: %v, want the cause", policy, err)
			}
		})
		cancel(cause)
		<-waits
		if err := m.Lock(ctx); err != cause { // over before it began
			t.Errorf("policy %v: %v, want the cause", policy, err)
		}
		other.Send("unlock")
		other.Expect("unlocked")
		if err := m.Lock(ctx); err != nil {
			t.Errorf("policy %v: a free lock is not taken with an ended context: %v", policy, err)
		}
		m.Unlock()
		other.Send("end")
		other.WaitOK()
	}
}

func TestClosedLock(t *testing.T) {
	r := enterRoom(newRoom(t))
	m, held := r.mutex(0), r.mutex(1)
	locktest.Must(held.Lock(background))
	waiters := proctest.MustBlock(t, func() {
		if err := held.Lock(background); err != ErrClosed {
			t.Errorf("a waiter gets %v", err)
		}
	})
	r.party.Closer.Close()
	<-waiters
	for _, err := range []error{m.Lock(background), m.TryLock(), held.TryLock()} {
		if err != ErrClosed {
			t.Errorf("after Close: %v", err)
		}
	}
	if m.r.word.Load() != 0 || m.r.bell.word.Load() != 0 {
		t.Error("a lock was touched after Close")
	}
	if !held.Held() {
		t.Error("the lock that was held is not")
	}
	held.Unlock()
	held.Unlock() // it is not held any more, which does not matter now
	r.party.Member.Detach()
}

func TestNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	m := visit(t, newRoom(t)).mutex(0)
	if n := testing.AllocsPerRun(1000, func() {
		locktest.Must(m.Lock(background))
		m.Unlock()
		locktest.Must(m.TryLock())
		if m.TryLock() != ErrLocked {
			panic("locked twice")
		}
		m.Unlock()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
