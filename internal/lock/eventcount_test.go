//go:build linux

package lock

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

func (r *room) event(n int) *EventCount { return NewEventCount(r.party, r.Cell(n)) }

func (r *room) counter(n int) *atomic.Int64 { return (*atomic.Int64)(unsafe.Pointer(&r.Cell(n)[0])) }

// A turn is what two processes hand to and fro: which process has it, and since when.
type turnCells struct {
	events [2]*EventCount
	number *atomic.Int64 // even: it is the turn of 0
	since  *atomic.Int64 // nanoseconds since 1970
}

func turnsOf(r *room) *turnCells {
	return &turnCells{[2]*EventCount{r.event(0), r.event(1)}, r.counter(2), r.counter(3)}
}

// take waits for the turn of player i, which is number n, and returns how long the news was on its
// way.
func (c *turnCells) take(i int, n int64, policy wait.Policy) time.Duration {
	locktest.Must(c.events[i].Await(patient, policy, func() bool { return c.number.Load() >= n }, nil))
	return time.Since(time.Unix(0, c.since.Load()))
}

// pass ends the turn number n, which was player i's.
func (c *turnCells) pass(i int, n int64) {
	c.since.Store(time.Now().UnixNano())
	c.number.Store(n + 1)
	c.events[1-i].Notify()
}

const over = 1 << 62 // the number of a turn that ends the game

var player = proctest.Register("player", func(args []string) {
	c := turnsOf(enterRoom(args[0]))
	var policy wait.Policy
	_, err := fmt.Sscan(args[1], (*int)(&policy))
	locktest.Must(err)
	worst := time.Duration(0)
	for n := int64(1); ; n += 2 {
		late := c.take(1, n, policy)
		if c.number.Load() == over {
			break
		}
		worst = max(worst, late)
		c.pass(1, n)
	}
	proctest.Say("%d", worst)
})

// No wake-up is lost in many handovers between two processes: 200,000 with SHMKIT_LONG=1.
func TestHandovers(t *testing.T) {
	for _, policy := range []wait.Policy{wait.Adaptive, wait.Parking} {
		restore := wait.SetBackstop(time.Hour) // so that a lost wake-up hangs
		path := newRoom(t)
		c := turnsOf(visit(t, path))
		other := proctest.Start(t, player, path, fmt.Sprint(int(policy)))
		n, worst := int64(0), time.Duration(0)
		for ; n < int64(locktest.Times(20_000)); n += 2 {
			c.pass(0, n)
			worst = max(worst, c.take(0, n+2, policy))
		}
		c.number.Store(over)
		c.events[1].Notify()
		other.WaitOK()
		var others time.Duration
		_, err := fmt.Sscan(other.Line(), (*int64)(&others))
		locktest.Must(err)
		t.Logf("policy %v: %d handovers, the slowest in %v", policy, n, max(worst, others))
		restore()
	}
}

// taker: ROOM DEATHS. It waits until it can take one unit from counter 2, again and again.
var taker = proctest.Register("taker", func(args []string) {
	r := enterRoom(args[0])
	e, units, ctx := r.event(0), r.counter(2), waitsWith(args[1])
	proctest.Say("ready")
	for {
		locktest.Must(e.Await(ctx, wait.Parking, takeUnit(units), nil))
		proctest.Say("took")
	}
})

func takeUnit(units *atomic.Int64) func() bool {
	return func() bool {
		for {
			n := units.Load()
			if n == 0 {
				return false
			}
			if units.CompareAndSwap(n, n-1) {
				return true
			}
		}
	}
}

// One unit, two sleepers: when the one that is woken is cancelled at that moment, the other gets
// the unit.
func TestCancelPassesOn(t *testing.T) {
	defer wait.SetBackstop(time.Hour)() // so that a lost wake-up hangs
	path := newRoom(t)
	r := visit(t, path)
	e, units := r.event(0), r.counter(2)
	other := proctest.Start(t, taker, path, noDeaths)
	other.Expect("ready")
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	mine := 0
	for range rounds {
		ctx, cancel := context.WithCancel(patient)
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { err = e.Await(ctx, wait.Parking, takeUnit(units), nil) })
		proctest.Eventually(t, hangs, e.e.bell.isArmed, "both sleep")
		units.Add(1)
		go cancel()
		e.Notify()
		wg.Wait()
		if err == nil {
			mine++
		} else {
			other.Expect("took")
		}
	}
	t.Logf("%d of %d units taken here", mine, rounds)
	other.Kill()
}

// A sleeper that was killed costs the next notifier one system call, and the one after it none.
func TestDeadSleeperCostsOneCall(t *testing.T) {
	path := newRoom(t)
	r := visit(t, path)
	e := r.event(0)
	other := proctest.Start(t, taker, path, deaths)
	other.Expect("ready")
	proctest.Eventually(t, hangs, e.e.bell.isArmed, "the child does not go to sleep")
	other.Kill()
	e.Notify()
	if e.e.bell.isArmed() {
		t.Error("after the first notification the bell is armed still")
	}
	before := futex.Counted()
	e.Notify()
	e.NotifyAll()
	if calls := futex.Counted().Since(before); calls.Wakes != 0 {
		t.Errorf("the next notifications ring again: %+v", calls)
	}
}

// Nothing is written while no waiter sleeps.
func TestNotifyWithoutSleepers(t *testing.T) {
	e := visit(t, newRoom(t)).event(0)
	e.Notify()
	e.NotifyAll()
	locktest.Must(e.Await(background, wait.Parking, func() bool { return true }, nil))
	if w := e.e.bell.word.Load(); w != 0 {
		t.Errorf("the bell became %#x", w)
	}
}

// What a goroutine did before Notify is visible to the one that Await lets go, for the race
// detector, too, when the change itself is an atomic operation that it sees.
func TestAwaitOrders(t *testing.T) {
	e := visit(t, newRoom(t)).event(0)
	var ready atomic.Bool
	data := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		locktest.Must(e.Await(background, wait.Parking, ready.Load, nil))
		if data != 1 {
			t.Error("awake, and the data is not there")
		}
	})
	data = 1
	ready.Store(true)
	e.Notify()
	wg.Wait()
}

func TestEventAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	e := visit(t, newRoom(t)).event(0)
	calls := 0
	ready := func() bool { calls++; return calls%3 == 0 }
	if n := testing.AllocsPerRun(100, func() {
		locktest.Must(e.Await(background, wait.Spinning, ready, nil))
		e.Notify()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
