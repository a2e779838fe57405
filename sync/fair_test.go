//go:build linux

package shmsync_test

import (
	"fmt"
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

// competitor: SEGMENT GOROUTINES LEAST. It locks as often as it can until the match is over, says
// "enough" once each goroutine has locked LEAST times, and in the end how often they did in all.
var competitor = proctest.Register("competitor", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	goroutines, err := strconv.Atoi(args[1])
	must(err)
	least, err := strconv.Atoi(args[2])
	must(err)
	m := openMatch(seg)
	var sum atomic.Int64
	var enough, all sync.WaitGroup
	m.playing.Add(1)
	enough.Add(goroutines)
	for range goroutines {
		all.Go(func() { sum.Add(m.play(least, &enough)) })
	}
	enough.Wait()
	proctest.Say("enough")
	all.Wait()
	proctest.Say("%d", sum.Load())
})

func (m match) play(least int, enough *sync.WaitGroup) (count int64) {
	for m.over.Load() == 0 || count < int64(least) {
		must(m.m.Lock(background))
		*m.count.Pointer()++
		m.m.Unlock()
		if count++; count == int64(least) {
			enough.Done()
		}
	}
	return count
}

// Of processes that lock as often as they can none is kept out: each goroutine of each of them
// locks five hundred times, five thousand with SHMKIT_LONG=1, while the others go on.
func TestFairness(t *testing.T) {
	for _, c := range []struct{ processes, goroutines int }{{2, 1}, {4, 4}} {
		t.Run(fmt.Sprintf("processes=%d/goroutines=%d", c.processes, c.goroutines), func(t *testing.T) {
			seg := newSegment(t)
			m := openMatch(seg)
			var all []*proctest.Child
			for range c.processes {
				all = append(all, proctest.Start(t, competitor, seg.Path(), strconv.Itoa(c.goroutines), strconv.Itoa(times(500))))
			}
			for _, child := range all {
				child.Expect("enough")
			}
			m.over.Store(1)
			sum := int64(0)
			for i, child := range all {
				child.WaitOK()
				count, err := strconv.ParseInt(child.Line(), 10, 64)
				must(err)
				sum += count
				t.Logf("process %d: %d times", i, count)
			}
			if *m.count.Pointer() != sum {
				t.Errorf("the guarded count is %d, the lock was held %d times", *m.count.Pointer(), sum)
			}
		})
	}
}

// A holder that locks again at once does not keep out one that waits in another process.
func TestPatientWaiter(t *testing.T) {
	seg := newSegment(t)
	m := openMatch(seg)
	hammer := proctest.Start(t, competitor, seg.Path(), "1", "1")
	hammer.Expect("enough")
	for range 50 {
		wantErr(t, "lock", m.m.Lock(background), nil)
		before := *m.count.Pointer()
		m.m.Unlock()
		proctest.Eventually(t, hangs, func() bool {
			must(m.m.Lock(background))
			defer m.m.Unlock()
			return *m.count.Pointer() > before
		}, "the other locks in between")
	}
	m.over.Store(1)
	hammer.WaitOK()
}

// A process that is handed the lock while it is stopped does not hold up others for long, and not
// again while it stays stopped. It gets the lock when it goes on.
func TestStoppedAddressee(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	stopped, other := startAgent(t, seg), startAgent(t, seg)
	wantErr(t, "lock", m.Lock(background), nil)
	stopped.Send("lock a")
	asleepOn(t, seg, "a", 1)
	// that it asks for the lock by now shows nowhere; if it does not, there is no offer
	time.Sleep(20 * time.Millisecond)
	stopped.Signal(syscall.SIGSTOP)
	stopped.WaitStopped()
	other.Send("timed a")
	asleepOn(t, seg, "a", 2)
	m.Unlock()
	other.Expect("ok")
	told(t, other, "unlock a", "ok")
	for range 100 {
		told(t, other, "timed a", "ok")
		told(t, other, "unlock a", "ok")
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
	asleepOn(t, seg, "a", 1)
	proctest.Stagger(40 * time.Millisecond) // as above
	stopped.Signal(syscall.SIGSTOP)
	stopped.WaitStopped()
	m.Unlock()
	proctest.Eventually(t, hangs, func() bool { return m.TryLock() == nil }, "the lock stays reserved")
	m.Unlock()
	stopped.Signal(syscall.SIGCONT)
	stopped.Expect("ok")
	stopped.Kill()
}
