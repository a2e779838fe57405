//go:build linux

package cond

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// hangs is how long a test waits for an event before it says that the event does not come.
const hangs = proctest.Hang

// patient is for waits that nothing but a wake-up shall end: one that is lost is felt.
var patient = wait.WithLongSleep(locktest.Background)

// The cells of a condition variable begin at this one; its lock is in cell 0.
const firstCell = 10

// visit is this process's half of the condition variable of a room, and its lock, until the test
// ends.
func visit(t *testing.T, path string) (*Var, *lock.Mutex) {
	t.Helper()
	return in(locktest.Visit(t, path))
}

func in(r *locktest.Room) (*Var, *lock.Mutex) {
	p := &lock.Party{Member: r.Member, Closer: r.Closer, Keep: r.Keep}
	return New(p, r.From(firstCell)[:Bytes(r.Member.Table().Len())], wait.Parking), lock.NewMutex(p, r.Cell(0), wait.Adaptive)
}

// turnOf is how often the n-th bell was armed or rung, see lock.EventRegion.
func turnOf(c *Var, n int) uint32 { return (*atomic.Uint32)(unsafe.Pointer(c.bell(n))).Load() >> 9 }

// waits starts a goroutine that waits, and returns what it returns. It is in the queue by then.
func waits(t *testing.T, ctx context.Context, c *Var, m *lock.Mutex) <-chan error {
	t.Helper()
	before := c.Waiting()
	got := make(chan error, 1)
	locktest.Must(m.Lock(locktest.Background))
	go func() {
		over, again := c.Wait(ctx, relocks{m}, m)
		locktest.Must(again)
		m.Unlock()
		got <- over
	}()
	proctest.Eventually(t, hangs, func() bool { return c.Waiting() == before+1 }, "a goroutine waits")
	return got
}

// returned fails the test unless the channel says soon that a waiter was notified.
func returned(t *testing.T, got <-chan error) {
	t.Helper()
	select {
	case err := <-got:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(hangs):
		t.Fatal("a waiter does not return")
	}
}

// Bells of different cells do not overlap, nor do they lie outside.
func TestCondLayout(t *testing.T) {
	for _, slots := range []int{1, 2, 3, 7, 64, 100, 256, 1023} {
		mem := make([]byte, Bytes(slots))
		for n := range slots {
			b := bellBytes(mem, slots, n)
			for i := range b {
				if b[i]++; b[i] != 1 {
					t.Fatalf("%d slots: bell %d overlaps another", slots, n)
				}
			}
		}
		for i, b := range mem[:headBytes+lock.ProcSlotsBytes(slots)] {
			if b != 0 {
				t.Fatalf("%d slots: byte %d is a bell's", slots, i)
			}
		}
		if Bytes(slots)%lock.LineBytes != 0 {
			t.Errorf("%d slots: %d bytes", slots, Bytes(slots))
		}
	}
}

// Waiters of one process are notified in the order in which they came, also when some of them have
// given up.
func TestCondOrder(t *testing.T) {
	c, m := visit(t, locktest.New(t))
	ctx, cancel := context.WithCancel(locktest.Background)
	var all []<-chan error
	for i := range 20 {
		if i%3 == 1 {
			all = append(all, waits(t, ctx, c, m))
		} else {
			all = append(all, waits(t, locktest.Background, c, m))
		}
	}
	cancel()
	for i, got := range all {
		if i%3 == 1 {
			if err := <-got; err != context.Canceled {
				t.Errorf("cancelled: %v", err)
			}
			continue
		}
		c.Notify(1)
		returned(t, got)
	}
	if n := c.Waiting(); n != 0 || c.queue.first != nil || c.queue.last != nil || c.queue.running != 0 {
		t.Errorf("%d wait, %d are running", n, c.queue.running)
	}
	if w := c.place.Load().cell.Load(); w&lock.CellMask != 0 {
		t.Errorf("the cell counts %#x", w&lock.CellMask)
	}
}

// A broadcaster died when it had only said that it broadcasts: all waiters of then return within
// the backstop, those of later do not.
func TestCondBroadcastWithoutBroadcaster(t *testing.T) {
	c, m := visit(t, locktest.New(t))
	var before []<-chan error
	for range 5 {
		before = append(before, waits(t, locktest.Background, c, m))
	}
	c.head.broadcasts.Add(1)
	after := make(chan error, 1)
	go func() {
		locktest.Must(m.Lock(locktest.Background))
		over, again := c.Wait(locktest.Background, relocks{m}, m)
		locktest.Must(again)
		m.Unlock()
		after <- over
	}()
	for _, got := range before {
		returned(t, got)
	}
	proctest.Eventually(t, hangs, func() bool { return c.Waiting() == 1 }, "one waits still")
	select {
	case err := <-after:
		t.Fatalf("one who came after the broadcast returned: %v", err)
	case <-time.After(20 * time.Millisecond): //clock: that it goes on waiting is the subject
	}
	c.Notify(1)
	returned(t, after)
}

// A notifier died before it rang: the waiter returns within the backstop.
func TestCondGrantWithoutRing(t *testing.T) {
	c, m := visit(t, locktest.New(t))
	got := waits(t, locktest.Background, c, m)
	proctest.Stagger(2 * waitAsleep) // so that it mostly sleeps; both must do
	c.place.Load().cell.Add(oneGrant)
	began := time.Now()
	returned(t, got)
	t.Logf("after %v", time.Since(began))
}

const waitAsleep = 5 * time.Millisecond

// condSitter takes a cell, waits, and says when it returns. It does not look in between by itself.
var condSitter = proctest.Register("condSitter", func(args []string) {
	c, m := in(locktest.Enter(args[0]))
	for {
		locktest.Must(m.Lock(patient))
		over, again := c.Wait(patient, relocks{m}, m)
		locktest.Must(over)
		locktest.Must(again)
		m.Unlock()
		proctest.Say("returned")
	}
})

// A notification wakes the process that it is for, and no other: bells of others are left alone.
// Processes take turns.
func TestCondIsDirected(t *testing.T) {
	if os.Getenv(futex.FallbackEnv) != "" {
		t.Skip("without all that the kernel offers sleepers look again every few milliseconds, and arm their bells again")
	}
	path := locktest.New(t)
	c, _ := visit(t, path)
	const n = 4
	var all []*proctest.Child
	for i := range n {
		all = append(all, proctest.Start(t, condSitter, path))
		proctest.Eventually(t, hangs, func() bool { return c.Waiting() == i+1 }, "all wait")
	}
	for i := range n {
		proctest.Eventually(t, hangs, c.bell(i).Armed, "all sleep")
	}
	for i := range 2 * n {
		var before [n]uint32
		for j := range before {
			before[j] = turnOf(c, j)
		}
		turns := func(j int) uint32 { return (turnOf(c, j) - before[j]) % (1 << 23) }
		c.Notify(1)
		all[i%n].Expect("returned")
		for j := range before {
			if turns(j) != 0 && j != i%n {
				t.Errorf("notification %d: bell %d was rung", i, j)
			}
		}
		// The bell was rung, which leaves it armed, and then armed again.
		proctest.Eventually(t, hangs, func() bool { return c.Waiting() == n && turns(i%n) >= 2 && c.bell(i%n).Armed() }, "all wait again")
	}
	for _, a := range all {
		a.Kill()
	}
}

// There are as many waiters as can be counted, and then no more.
func TestCondTooManyWaiters(t *testing.T) {
	c, m := visit(t, locktest.New(t))
	first := waits(t, locktest.Background, c, m)
	cell, others := c.place.Load().cell, uint64(maxWaiters-1)*oneWaiter
	cell.Add(others)
	locktest.Must(m.Lock(locktest.Background))
	if over, again := c.Wait(locktest.Background, relocks{m}, m); over != ErrTooManyWaiters || again != nil || !m.Held() {
		t.Errorf("%v, %v", over, again)
	}
	m.Unlock()
	cell.Add(-others)
	c.Notify(1)
	returned(t, first)
}

// Goroutines of two attachments wait, give up and notify as they like; in the end every count is
// zero.
func TestCondCounts(t *testing.T) {
	path := locktest.New(t)
	var conds [2]*Var
	var locks [2]*lock.Mutex
	for i := range conds {
		conds[i], locks[i] = visit(t, path)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		c, m := conds[i%2], locks[i%2]
		wg.Go(func() {
			for n := i; n < i+locktest.Times(2000); n++ {
				//clock: waiters that give up are the subject
				ctx, cancel := context.WithTimeout(locktest.Background, time.Duration(n%7)*20*time.Microsecond)
				locktest.Must(m.Lock(locktest.Background))
				_, again := c.Wait(ctx, relocks{m}, m)
				locktest.Must(again)
				m.Unlock()
				cancel()
				switch n % 4 {
				case 0:
					c.Notify(1)
				case 1:
					c.Notify(2)
				case 2:
					c.Broadcast()
				}
			}
		})
	}
	wg.Wait()
	for _, c := range conds {
		if p := c.place.Load(); p == nil || p.cell.Load()&lock.CellMask != 0 || c.queue.running != 0 || c.queue.first != nil {
			t.Errorf("left behind: %s", fmt.Sprint(c.queue.running, p))
		}
	}
}

// relocks is a Mutex as a Lockable.
type relocks struct{ *lock.Mutex }

func (r relocks) Relock(ctx context.Context) (held bool, err error) {
	err = r.Lock(ctx)
	return err == nil || errors.Is(err, lock.ErrOwnerDied), err
}
