//go:build linux

package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// The cells of a condition variable begin at this one; its lock is in cell 0.
const condCell = 10

func (r *room) cond() *Cond {
	off := tableBytes + condCell*cellBytes
	return NewCond(r.party, r.mem[off:off+CondBytes(r.party.Member.Table().Len())], wait.Parking)
}

// waits starts a goroutine that waits, and returns what it returns. It is in the queue by then.
func waits(t *testing.T, ctx context.Context, c *Cond, m *Mutex) <-chan error {
	t.Helper()
	before := c.Waiting()
	got := make(chan error, 1)
	must(m.Lock(background))
	go func() {
		over, again := c.Wait(ctx, relocks{m}, m)
		must(again)
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

// Bells of different seats do not overlap, nor do they lie outside.
func TestCondLayout(t *testing.T) {
	for _, slots := range []int{1, 2, 3, 7, 64, 100, 256, 1023} {
		mem := make([]byte, CondBytes(slots))
		for n := range slots {
			b := condBell(mem, slots, n)
			for i := range b {
				if b[i]++; b[i] != 1 {
					t.Fatalf("%d slots: bell %d overlaps another", slots, n)
				}
			}
		}
		for i, b := range mem[:condHeadBytes+rosterBytes(slots)] {
			if b != 0 {
				t.Fatalf("%d slots: byte %d is a bell's", slots, i)
			}
		}
		if CondBytes(slots)%lineBytes != 0 {
			t.Errorf("%d slots: %d bytes", slots, CondBytes(slots))
		}
	}
}

// Waiters of one process are notified in the order in which they came, also when some of them have given up.
func TestCondOrder(t *testing.T) {
	r := visit(t, newRoom(t))
	c, m := r.cond(), r.mutex(0)
	ctx, cancel := context.WithCancel(background)
	var all []<-chan error
	for i := range 20 {
		if i%3 == 1 {
			all = append(all, waits(t, ctx, c, m))
		} else {
			all = append(all, waits(t, background, c, m))
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
	if w := c.place.Load().seat.Load(); w&seatMask != 0 {
		t.Errorf("the seat counts %#x", w&seatMask)
	}
}

// A broadcaster died when it had only said that it broadcasts: all who waited then return within the backstop, those
// of later do not.
func TestCondBroadcastWithoutBroadcaster(t *testing.T) {
	r := visit(t, newRoom(t))
	c, m := r.cond(), r.mutex(0)
	var before []<-chan error
	for range 5 {
		before = append(before, waits(t, background, c, m))
	}
	c.head.storms.Add(1)
	after := make(chan error, 1)
	go func() {
		must(m.Lock(background))
		over, again := c.Wait(background, relocks{m}, m)
		must(again)
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
	r := visit(t, newRoom(t))
	c, m := r.cond(), r.mutex(0)
	got := waits(t, background, c, m)
	proctest.Stagger(2 * waitAsleep) // so that it mostly sleeps; both must do
	c.place.Load().seat.Add(oneGrant)
	began := time.Now()
	returned(t, got)
	t.Logf("after %v", time.Since(began))
}

const waitAsleep = 5 * time.Millisecond

// condSitter takes a seat, waits, and says when it returns. It does not look in between by itself.
var condSitter = proctest.Register("condSitter", func(args []string) {
	r := enterRoom(args[0])
	c, m := r.cond(), r.mutex(0)
	for {
		must(m.Lock(patient))
		over, again := c.Wait(patient, relocks{m}, m)
		must(over)
		must(again)
		m.Unlock()
		proctest.Say("returned")
	}
})

// A notification wakes the process that it is for, and no other: bells of others are left alone. Processes take turns.
func TestCondIsDirected(t *testing.T) {
	if os.Getenv(futex.FallbackEnv) != "" {
		t.Skip("without all that the kernel offers sleepers look again every few milliseconds, and arm their bells again")
	}
	path := newRoom(t)
	c := visit(t, path).cond()
	const n = 4
	var all []*proctest.Child
	for i := range n {
		all = append(all, proctest.Start(t, condSitter, path))
		proctest.Eventually(t, hangs, func() bool { return c.Waiting() == i+1 }, "all wait")
	}
	for i := range n {
		proctest.Eventually(t, hangs, c.bell(i).isArmed, "all sleep")
	}
	for i := range 2 * n {
		var before [n]uint32
		for j := range before {
			before[j] = c.bell(j).word.Load()
		}
		turns := func(j int) uint32 { return (c.bell(j).word.Load() - before[j]&^(turn-1)) / turn }
		c.Notify(1)
		all[i%n].Expect("returned")
		for j := range before {
			if turns(j) != 0 && j != i%n {
				t.Errorf("notification %d: bell %d was rung", i, j)
			}
		}
		// The bell was rung, which leaves it armed, and then armed again.
		proctest.Eventually(t, hangs, func() bool { return c.Waiting() == n && turns(i%n) >= 2 && c.bell(i%n).isArmed() }, "all wait again")
	}
	for _, a := range all {
		a.Kill()
	}
}

// There are as many waiters as can be counted, and then no more.
func TestCondTooManyWaiters(t *testing.T) {
	r := visit(t, newRoom(t))
	c, m := r.cond(), r.mutex(0)
	first := waits(t, background, c, m)
	seat, others := c.place.Load().seat, uint64(condMost-1)*oneWaiter
	seat.Add(others)
	must(m.Lock(background))
	if over, again := c.Wait(background, relocks{m}, m); over != ErrTooManyWaiters || again != nil || !m.Held() {
		t.Errorf("%v, %v", over, again)
	}
	m.Unlock()
	seat.Add(-others)
	c.Notify(1)
	returned(t, first)
}

// Goroutines of two attachments wait, give up and notify as they like; in the end every count is zero.
func TestCondCounts(t *testing.T) {
	path := newRoom(t)
	rooms := []*room{visit(t, path), visit(t, path)}
	conds := []*Cond{rooms[0].cond(), rooms[1].cond()}
	locks := []*Mutex{rooms[0].mutex(0), rooms[1].mutex(0)}
	var wg sync.WaitGroup
	for i := range 8 {
		c, m := conds[i%2], locks[i%2]
		wg.Go(func() {
			for n := i; n < i+times(2000); n++ {
				ctx, cancel := context.WithTimeout(background, time.Duration(n%7)*20*time.Microsecond) //clock: waiters that give up are the subject
				must(m.Lock(background))
				_, again := c.Wait(ctx, relocks{m}, m)
				must(again)
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
		if p := c.place.Load(); p == nil || p.seat.Load()&seatMask != 0 || c.queue.running != 0 || c.queue.first != nil {
			t.Errorf("left behind: %s", fmt.Sprint(c.queue.running, p))
		}
	}
}

// relocks is a Mutex as a Lockable.
type relocks struct{ *Mutex }

func (r relocks) Relock(ctx context.Context) (held bool, err error) {
	err = r.Lock(ctx)
	return err == nil || errors.Is(err, ErrOwnerDied), err
}
