//go:build linux

package shmsync_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A match is what competing processes share.
type match struct {
	m       *shmsync.Mutex
	count   *shm.RawValue[int64] // guarded by m
	playing *shm.Uint32          // how many processes are ready
	over    *shm.Uint32          // 1: the match is over
}

func openMatch(seg *shm.Segment) (m match) {
	var err error
	m.m, err = shmsync.NewMutex(seg, "a", shmsync.MutexOptions{})
	must(err)
	m.count, err = shm.NewRawValue(seg, "count", int64(0))
	must(err)
	m.playing, err = shm.NewUint32(seg, "playing", 0)
	must(err)
	m.over, err = shm.NewUint32(seg, "over", 0)
	must(err)
	return m
}

// competitor: SEGMENT GOROUTINES. It locks as often as it can until the match is over, and says how often that was and
// what its longest wait was, in nanoseconds.
var competitor = proctest.Register("competitor", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	goroutines, err := strconv.Atoi(args[1])
	must(err)
	m := openMatch(seg)
	counts, waits := make([]int64, goroutines), make([]time.Duration, goroutines)
	var wg sync.WaitGroup
	m.playing.Add(1)
	for i := range goroutines {
		wg.Go(func() { counts[i], waits[i] = m.play() })
	}
	wg.Wait()
	sum := int64(0)
	for _, n := range counts {
		sum += n
	}
	proctest.Say("%d %d", sum, slices.Max(waits))
})

func (m match) play() (count int64, longest time.Duration) {
	for m.over.Load() == 0 {
		began := time.Now()
		must(m.m.Lock(background))
		longest = max(longest, time.Since(began))
		*m.count.Pointer()++
		m.m.Unlock()
		count++
	}
	return count, longest
}

// stalls measures for how long this machine keeps a goroutine waiting that wants to run. The result is the longest
// time so far.
func stalls(t *testing.T) func() time.Duration {
	const tick = 5 * time.Millisecond
	var longest atomic.Int64
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		for !isClosed(stop) {
			began := time.Now()
			time.Sleep(tick)
			if late := time.Since(began) - tick; int64(late) > longest.Load() {
				longest.Store(int64(late))
			}
		}
	}()
	return func() time.Duration { return time.Duration(longest.Load()) }
}

// Processes that lock as often as they can get a quarter of an even share at least, and no goroutine waits for more
// than a second, and as long as the machine stalls each of those before it. The match lasts two seconds, ten with
// SHMKIT_LONG=1.
func TestFairness(t *testing.T) {
	for _, c := range []struct{ processes, goroutines int }{{2, 1}, {4, 4}} {
		t.Run(fmt.Sprintf("processes=%d/goroutines=%d", c.processes, c.goroutines), func(t *testing.T) {
			seg := newSegment(t)
			m := openMatch(seg)
			stall := stalls(t)
			var all []*proctest.Child
			for range c.processes {
				all = append(all, proctest.Start(t, competitor, seg.Path(), strconv.Itoa(c.goroutines)))
			}
			proctest.Eventually(t, 20*time.Second, func() bool { return m.playing.Load() == uint32(c.processes) }, "not all began")
			time.Sleep(longer(2 * time.Second))
			m.over.Store(1)
			counts, sum := make([]int64, c.processes), int64(0)
			most := time.Second + time.Duration(c.processes*c.goroutines)*stall()
			for i, child := range all {
				child.WaitOK()
				var longest time.Duration
				if _, err := fmt.Sscan(child.Line(), &counts[i], (*int64)(&longest)); err != nil {
					t.Fatal(err)
				}
				sum += counts[i]
				t.Logf("process %d: %d times, the longest wait was %v", i, counts[i], longest)
				if longest > most {
					t.Errorf("a goroutine waited for %v, stalls of the machine were up to %v", longest, stall())
				}
			}
			if *m.count.Pointer() != sum {
				t.Errorf("the guarded count is %d, the lock was held %d times", *m.count.Pointer(), sum)
			}
			if least, fair := slices.Min(counts), sum/int64(c.processes); least < fair/4 {
				t.Errorf("a process had the lock %d times, an even share is %d", least, fair)
			}
		})
	}
}

// A holder that locks again at once does not keep out one that waits in another process.
func TestPatientWaiter(t *testing.T) {
	seg := newSegment(t)
	m := openMatch(seg)
	stall := stalls(t)
	hammer := proctest.Start(t, competitor, seg.Path(), "1")
	proctest.Eventually(t, 20*time.Second, func() bool { return m.playing.Load() == 1 }, "the child does not begin")
	var waits []time.Duration
	for range 50 {
		time.Sleep(time.Millisecond)
		began := time.Now()
		wantErr(t, "lock", m.m.Lock(background), nil)
		waits = append(waits, time.Since(began))
		m.m.Unlock()
	}
	m.over.Store(1)
	hammer.WaitOK()
	slices.Sort(waits)
	median, longest := waits[len(waits)/2], waits[len(waits)-1]
	t.Logf("waited for %v, at most %v", median, longest)
	if median > 10*time.Millisecond+stall() || longest > time.Second+2*stall() {
		t.Errorf("waited for %v typically and %v at most", median, longest)
	}
}

// A process that is handed the lock while it is stopped does not hold up others for long, and not again while it stays
// stopped. It gets the lock when it goes on.
func TestStoppedAddressee(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	stopped, other := startAgent(t, seg), startAgent(t, seg)
	wantErr(t, "lock", m.Lock(background), nil)
	stopped.Send("lock a")
	time.Sleep(20 * time.Millisecond) // it asks for the lock by now
	stopped.Signal(syscall.SIGSTOP)
	stopped.WaitStopped()
	other.Send("timed a")
	time.Sleep(5 * time.Millisecond)
	began := time.Now()
	m.Unlock()
	other.Expect("ok")
	first := time.Since(began)
	told(t, other, "unlock a", "ok")
	began = time.Now()
	for range 100 {
		told(t, other, "timed a", "ok")
		told(t, other, "unlock a", "ok")
	}
	rest := time.Since(began)
	t.Logf("the other waited for %v, and for 100 further rounds %v", first, rest)
	if first > time.Second || rest > time.Second {
		t.Errorf("the other waited for %v, and for 100 further rounds %v", first, rest)
	}
	stopped.Signal(syscall.SIGCONT)
	stopped.Expect("ok")
	stopped.Kill()
	other.Kill()
	wantErr(t, "in the end", m.TryLock(), shmsync.ErrOwnerDied)
	repair(t, m)
}

// TryLock, too, takes a lock that is on offer to a stopped process for too long.
func TestTryLockOfStoppedAddressee(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	stopped := startAgent(t, seg)
	wantErr(t, "lock", m.Lock(background), nil)
	stopped.Send("lock a")
	time.Sleep(20 * time.Millisecond)
	stopped.Signal(syscall.SIGSTOP)
	stopped.WaitStopped()
	m.Unlock()
	proctest.Eventually(t, time.Second, func() bool { return m.TryLock() == nil }, "the lock stays reserved")
	m.Unlock()
	stopped.Signal(syscall.SIGCONT)
	stopped.Expect("ok")
	stopped.Kill()
}
