//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestRWMutexNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	m := newRWMutexIn(t, newSegment(t), shmsync.RWMutexOptions{})
	if n := testing.AllocsPerRun(1000, func() {
		must(m.RLock(background))
		must(m.TryRLock())
		m.RUnlock()
		m.RUnlock()
		must(m.Lock(background))
		m.Unlock()
		must(m.TryLock())
		m.Unlock()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// rwFrugal: SEGMENT. Three goroutines lock while those of another process do the same, and sleep for it. It says how many
// allocations that took.
var rwFrugal = proctest.Register("rwmutex-frugal", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{Wait: shmsync.Park})
	must(err)
	proctest.Say("ready")
	proctest.Hear()
	rwRounds(m, allocRounds/10) // to fill the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rwRounds(m, allocRounds)
	runtime.ReadMemStats(&after)
	proctest.Say("%d", after.Mallocs-before.Mallocs)
	rwRounds(m, allocRounds/10) // for the other to contend with
})

func rwRounds(m *shmsync.RWMutex, rounds int) {
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for range rounds {
				if i == 0 {
					must(m.Lock(background))
					runtime.Gosched() // so that the others come to wait
					m.Unlock()
				} else {
					must(m.RLock(background))
					runtime.Gosched()
					m.RUnlock()
				}
			}
		})
	}
	wg.Wait()
}

// Waiting allocates nothing either. What the runtime itself allocates meanwhile is allowed for.
func TestRWMutexNoAllocationsContended(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	seg := newSegment(t)
	children := []*proctest.Child{proctest.Start(t, rwFrugal, seg.Path()), proctest.Start(t, rwFrugal, seg.Path())}
	for _, c := range children {
		c.Expect("ready")
	}
	for _, c := range children {
		c.Send("go")
	}
	for _, c := range children {
		var n int
		if _, err := fmt.Sscan(c.Line(), &n); err != nil || n > allocRounds/20 {
			t.Errorf("%d allocations in %d rounds of three goroutines", n, allocRounds)
		}
		t.Logf("%d allocations", n)
		c.WaitOK()
	}
}

// A program that guards an ordinary variable with an RWMutex has no race, whichever handle it uses and however it locks,
// and the detector reports none. In a build without the detector this only checks the number.
func TestRWMutexOrders(t *testing.T) {
	seg := newSegment(t)
	handles := []*shmsync.RWMutex{newRWMutexIn(t, seg, shmsync.RWMutexOptions{}), newRWMutexIn(t, seg, shmsync.RWMutexOptions{})}
	n, seen := 0, atomic.Int64{}
	const goroutines, rounds = 8, 300
	var wg sync.WaitGroup
	for i := range goroutines {
		m := handles[i%2]
		lock := []func(){
			func() {
				for m.TryLock() != nil {
				}
			},
			m.Locker().Lock,
			func() { must(m.Lock(background)) },
			func() { must(m.RLock(background)) },
			m.RLocker().Lock,
			func() {
				for m.TryRLock() != nil {
				}
			},
			func() { must(m.RLock(background)) },
			func() { must(m.Lock(background)) },
		}[i]
		wg.Go(func() {
			for range rounds {
				lock()
				if i < 3 || i == 7 {
					n++
					m.Unlock()
				} else {
					seen.Store(int64(n))
					m.RUnlock()
				}
			}
		})
	}
	wg.Wait()
	if n != 4*rounds || seen.Load() > 4*rounds {
		t.Errorf("counted to %d, want %d", n, 4*rounds)
	}
}

// A Locker panics instead of returning without the lock, and leaves what a dead writer left to the next.
func TestRWMutexLockers(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	m.RLocker().Lock()
	wantErr(t, "TryLock", m.TryLock(), shmsync.ErrLocked)
	m.RLocker().Unlock()
	m.Locker().Lock()
	wantErr(t, "TryRLock", m.TryRLock(), shmsync.ErrLocked)
	m.Locker().Unlock()
	rwAgentThat(t, seg, "lock", "ok").Kill()
	wantPanic(t, "RLocker", "died", m.RLocker().Lock)
	wantPanic(t, "Locker", "died", m.Locker().Lock)
	wantErr(t, "Lock", m.Lock(background), shmsync.ErrOwnerDied)
	m.MarkConsistent()
	m.Unlock()
	m.RLocker().Lock()
	wantErr(t, "TryLock", m.TryLock(), shmsync.ErrLocked)
	m.RLocker().Unlock()
}

// rwCrowded: SEGMENT. It blocks a crowd of goroutines on one lock, one in ten to write, says how many threads it has,
// and cancels every other of them when it is told to.
var rwCrowded = proctest.Register("rwmutex-crowded", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{})
	must(err)
	ctx, cancel := context.WithCancel(background)
	var wg sync.WaitGroup
	var began, locked, canceled atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			c := background
			if i%2 == 0 {
				c = ctx
			}
			lock, unlock := m.RLock, m.RUnlock
			if i%20 < 2 {
				lock, unlock = m.Lock, m.Unlock
			}
			switch err := lock(c); {
			case err == nil:
				locked.Add(1)
				unlock()
			case errors.Is(err, context.Canceled):
				canceled.Add(1)
			default:
				must(err)
			}
		})
	}
	for began.Load() < crowd {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	proctest.Say("%d", threads())
	proctest.Hear()
	cancel()
	for canceled.Load() < crowd/2 {
		time.Sleep(time.Millisecond)
	}
	proctest.Say("%d", threads())
	wg.Wait()
	proctest.Say("%d %d", locked.Load(), canceled.Load())
})

// 10,000 goroutines of one process that wait for a lock which another one holds need few threads. Half of them are
// cancelled; all others get the lock in the end.
func TestRWMutexCrowd(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "lock", m.Lock(background), nil)
	c := proctest.Start(t, rwCrowded, seg.Path())
	checkThreads := func(when string) {
		var n int
		if fmt.Sscan(c.Line(), &n); n < 1 || n > 16 {
			t.Errorf("%s the process has %d threads", when, n)
		}
	}
	checkThreads("while all wait")
	c.Send("cancel")
	checkThreads("after half of them left")
	m.Unlock()
	c.Expect(fmt.Sprint(crowd/2, " ", crowd/2))
	c.WaitOK()
	wantErr(t, "in the end", m.TryLock(), nil)
	m.Unlock()
}

// Whatever bytes stand in the lock, every call ends, at the latest with its context, and nothing panics but an unlock
// that says so. Put right, the lock is usable.
func TestRWMutexGarbage(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		seg := newSegment(t)
		m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
		other := newRWMutexIn(t, openAgain(t, seg), shmsync.RWMutexOptions{})
		o, err := seg.Internal().Open(segment.Spec{Name: "a", Kind: segment.KindRWMutex, Size: segment.AnySize})
		must(err)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { rwFumble(t, []*shmsync.RWMutex{m, other}[i%2], stop) })
		}
		for range 60 {
			at := rnd.IntN(64)
			if rnd.IntN(2) == 0 {
				at = rnd.IntN(len(o.Payload))
			}
			o.Payload[at] = byte(rnd.Uint32() >> (rnd.IntN(2) * 28)) // often a small one
			time.Sleep(50 * time.Microsecond)
		}
		close(stop)
		wg.Wait()
		clear(o.Payload)
		for range 2 {
			for _, h := range []*shmsync.RWMutex{m, other} {
				wantErr(t, "RLock of the zeroed lock", rwWithin(soon, h.RLock), nil)
				wantErr(t, "TryLock of the read-locked lock", m.TryLock(), shmsync.ErrLocked)
				h.RUnlock()
				wantErr(t, "Lock of the zeroed lock", rwWithin(soon, h.Lock), nil)
				h.Unlock()
			}
		}
	}
}

// rwFumble uses m in all ways.
func rwFumble(t *testing.T, m *shmsync.RWMutex, stop <-chan struct{}) {
	timed := func(what string, f func(context.Context) error, unlock func()) {
		ctx, cancel := context.WithTimeout(background, 300*time.Microsecond)
		defer cancel()
		began := time.Now()
		if err := f(ctx); err == nil {
			rwOrPanic(t, unlock)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", what, took)
		}
	}
	for !isClosed(stop) {
		timed("Lock", m.Lock, m.Unlock)
		timed("RLock", m.RLock, m.RUnlock)
		timed("TryLock", func(context.Context) error { return m.TryLock() }, m.Unlock)
		timed("TryRLock", func(context.Context) error { return m.TryRLock() }, m.RUnlock)
		for _, f := range []func(){m.MarkConsistent, m.Unlock, m.RUnlock} {
			rwOrPanic(t, f)
		}
		runtime.Gosched()
	}
}

func rwOrPanic(t *testing.T, f func()) {
	defer func() {
		if p := recover(); p != nil && !strings.Contains(fmt.Sprint(p), "does not hold the lock") {
			t.Errorf("panic: %v", p)
		}
	}()
	f()
}
