package queue

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

// Ten thousand goroutines that wait need a few threads.
func TestManyWaitersFewThreads(t *testing.T) {
	q := newQueue[int64](t, 1, Options{})
	before := threads(t)
	const waiters = 10_000
	var all sync.WaitGroup
	for range waiters {
		all.Go(func() {
			if _, err := q.Get(background); err != nil {
				t.Error(err)
			}
		})
	}
	asleep.Await(t, q.o.Seg, 1)
	// that the others, which follow the one that sleeps, take no threads shows only then
	time.Sleep(50 * time.Millisecond)
	if after := threads(t); after > before+proctest.FewThreads {
		t.Errorf("%d threads with all waiting, %d before", after, before)
	}
	for range waiters {
		if err := q.Put(background, 1); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

// threads is how many threads this process has.
func threads(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not tell the number of threads:", err)
	}
	_, rest, _ := strings.Cut(string(status), "Threads:")
	n := 0
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A61: without a waiter there is no wake-up: no system call is made for it.
func TestNoWakeWithoutWaiters(t *testing.T) {
	q := newQueue[int64](t, 2, Options{})
	for i := range int64(1000) {
		mustPut(t, q, i)
		mustGet(t, q, i)
	}
	if q.usedEvents() {
		t.Error("the events were used")
	}
}

// Stats count waits, and the most messages there were.
func TestStatsWaits(t *testing.T) {
	q := newQueue[int64](t, 256, Options{})
	done := proctest.MustBlock(t, func() { q.Get(background) })
	asleep.Await(t, q.o.Seg, 1)
	mustPut(t, q, 1)
	<-done
	for v := range int64(200) {
		mustPut(t, q, v)
	}
	s := q.Stats()
	if s.Waits != 1 || s.HighWater != 200 {
		t.Errorf("%+v", s)
	}
	for range 200 {
		q.TryGet()
	}
	for range 1000 {
		mustPut(t, q, 1)
		q.TryGet()
	}
	if s = q.Stats(); s.HighWater != 200 {
		t.Errorf("%+v", s)
	}
}
