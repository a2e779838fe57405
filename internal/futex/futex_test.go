//go:build linux

package futex

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

// patience is what an event may take on a busy machine.
const patience = 2 * time.Minute

var (
	roleSleeps     = proctest.Register("sleeps", sleeps)
	roleSleepsOnes = proctest.Register("sleeps on many", sleepsOnMany)
)

// sleeps waits on word 0 until it is not 0, or a wake-up comes.
func sleeps(args []string) {
	p := openPage(args[0])
	Wait(Word{Addr: &p[0], Val: 0}, -1)
	proctest.Say("woken at %d", atomic.LoadUint32(&p[0]))
}

// sleepsOnMany waits on the words 0 … args[1]-1 and says which of them woke it, args[2] times.
func sleepsOnMany(args []string) {
	p := openPage(args[0])
	words, _ := strconv.Atoi(args[1])
	times, _ := strconv.Atoi(args[2])
	var v Vector
	for range times {
		v.Reset()
		for i := range words {
			v.Add(Word{Addr: &p[i], Val: atomic.LoadUint32(&p[i])})
		}
		i := -1
		for i < 0 {
			i = v.Wait(patience)
		}
		proctest.Say("woken by %d", i)
	}
}

func TestWaitReturnsAtOnceWhenTheWordDiffers(t *testing.T) {
	word := uint32(1)
	if got := Wait(Word{Addr: &word, Val: 0}, -1); got != Woken {
		t.Errorf("Wait: %v", got)
	}
	var v Vector
	same := uint32(7)
	v.Add(Word{Addr: &same, Val: 7})
	v.Add(Word{Addr: &word, Val: 0})
	if i := v.Wait(time.Hour); i != -1 {
		t.Errorf("Vector.Wait: %d", i)
	}
}

func TestTimeOutIsNeverEarly(t *testing.T) {
	word := new(uint32)
	//clock: the time-out is the subject
	for _, timeout := range []time.Duration{0, time.Microsecond, 20 * time.Millisecond} {
		start := time.Now()
		if got, took := Wait(Word{Addr: word}, timeout), time.Since(start); got != TimedOut || took < timeout {
			t.Errorf("Wait for %v took %v: %v", timeout, took, got)
		}
		var v Vector
		v.Add(Word{Addr: word})
		start = time.Now()
		if i, took := v.Wait(timeout), time.Since(start); i != -1 || took < timeout {
			t.Errorf("Vector.Wait for %v took %v: %d", timeout, took, i)
		}
	}
	var v Vector
	v.Add(Word{Addr: word})
	if i := v.Wait(-time.Hour); i != -1 {
		t.Errorf("wait until long ago: %d", i)
	}
}

// The runtime sends signals to its threads to take them from their goroutines.
//
// clock: the time-out is the subject
func TestSignalsDoNotEndAWait(t *testing.T) {
	const timeout = 50 * time.Millisecond //clock: the time-out is the subject
	word := new(uint32)
	for name, wait := range map[string]func() bool{
		"Wait": func() bool { return Wait(Word{Addr: word}, timeout) == TimedOut },
		"Vector.Wait": func() bool {
			var v Vector
			v.Add(Word{Addr: word})
			return v.Wait(timeout) == -1
		},
	} {
		thread := make(chan int)
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			thread <- unix.Gettid()
			start := time.Now()
			if ok, took := wait(), time.Since(start); !ok || took < timeout {
				t.Errorf("%s for %v took %v, timed out %t", name, timeout, took, ok)
			}
		}()
		tid := <-thread
		for signalling := true; signalling; {
			select {
			case <-done:
				signalling = false
			case <-time.After(time.Millisecond): //clock: how often signals come
				unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
			}
		}
	}
}

func TestWakeCountsSleepersOfOtherProcesses(t *testing.T) {
	p, path := newPage(t)
	const sleepers = 5
	var children []*proctest.Child
	for range sleepers {
		children = append(children, proctest.Start(t, roleSleeps, path))
	}
	woken := 0
	wake := func(n int) func() bool {
		return func() bool {
			got := Wake(&p[0], n)
			if got > n {
				t.Fatalf("Wake of at most %d woke %d", n, got)
			}
			woken += got
			return woken >= sleepers
		}
	}
	proctest.Eventually(t, patience, func() bool { return wake(1)() || woken == 1 }, "one sleeper")
	if got := Wake(&p[0], 0) + Wake(&p[0], -1); got != 0 {
		t.Errorf("Wake of nobody woke %d", got)
	}
	proctest.Eventually(t, patience, wake(2), "the other sleepers")
	if woken != sleepers {
		t.Errorf("%d sleepers were woken, there are %d", woken, sleepers)
	}
	for _, child := range children {
		child.Expect("woken at 0")
		child.WaitOK()
	}
	if got := Wake(&p[0], math.MaxInt32); got != 0 {
		t.Errorf("%d sleepers are left", got)
	}
}

func TestChangeWithoutWakeDoesNotWake(t *testing.T) {
	p, path := newPage(t)
	child := proctest.Start(t, roleSleeps, path)
	proctest.Eventually(t, patience, func() bool { return Wake(&p[0], 1) == 1 }, "asleep")
	child.Expect("woken at 0")
	child.WaitOK()

	returned := proctest.MustBlock(t, func() { Wait(Word{Addr: &p[1], Val: 0}, -1) })
	atomic.StoreUint32(&p[1], 1)
	proctest.Eventually(t, patience, func() bool {
		Wake(&p[1], 1)
		select {
		case <-returned:
			return true
		default:
			return false
		}
	}, "the wait ends")
}

func TestVectorTellsWhichWordWasWoken(t *testing.T) {
	if !HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	for _, words := range []int{1, 3, MaxWords} {
		p, path := newPage(t)
		which := []int{0, words / 2, words - 1}
		child := proctest.Start(t, roleSleepsOnes, path, strconv.Itoa(words), strconv.Itoa(len(which)))
		for _, i := range which {
			proctest.Eventually(t, patience, func() bool { return Wake(&p[i], 1) == 1 }, "asleep")
			child.Expect("woken by " + strconv.Itoa(i))
		}
		child.WaitOK()
	}
}

// Several words woken before the sleeper runs: one index comes back. The package wait has to live
// with that.
func TestVectorReportsOneOfSeveralWakeUps(t *testing.T) {
	if !HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	// the sleeper's goroutine does not run between the two
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p, _ := newPage(t)
	both := 0
	for range 200 {
		index := make(chan int)
		go func() {
			var v Vector
			v.Add(Word{Addr: &p[0]})
			v.Add(Word{Addr: &p[1]})
			index <- v.Wait(patience)
		}()
		proctest.Eventually(t, patience, func() bool { return Wake(&p[0], 1) == 1 }, "asleep")
		second := Wake(&p[1], 1)
		both += second
		if i := <-index; i != second {
			t.Fatalf("woke word 0 and %d more: index %d", second, i)
		}
	}
	t.Logf("%d of 200 sleepers used up two wake-ups and reported one", both)
}

func TestVectorIsReusableAndBounded(t *testing.T) {
	var v Vector
	word := new(uint32)
	for range 3 {
		v.Reset()
		for range MaxWords {
			v.Add(Word{Addr: word})
		}
		if v.Len() != MaxWords {
			t.Errorf("%d words", v.Len())
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for a word too many")
		}
	}()
	v.Add(Word{Addr: word})
}

// A word in memory that is no longer mapped must not turn a loop around the wait into a busy loop.
func TestUnmappedWordSlowsDown(t *testing.T) {
	p, path := newPage(t)
	q := openPage(path)
	addr := &q[0]
	q.unmap()
	start := time.Now()
	if got := Wait(Word{Addr: addr}, -1); got != Woken {
		t.Errorf("Wait: %v", got)
	}
	var v Vector
	v.Add(Word{Addr: &p[0]})
	v.Add(Word{Addr: addr})
	if i := v.Wait(time.Hour); i != -1 {
		t.Errorf("Vector.Wait: %d", i)
	}
	if took := time.Since(start); took < 2*time.Millisecond { //clock: at least so long
		t.Errorf("two refused waits took %v", took)
	}
	if n := Wake(addr, 1); n != 0 {
		t.Errorf("Wake: %d", n)
	}
}

// With one P a wait that the scheduler did not know of would stop all other goroutines.
func TestWaitGivesTheProcessorAway(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p, _ := newPage(t)
	for i, wait := range []func(){
		func() { Wait(Word{Addr: &p[0]}, patience) },
		func() {
			var v Vector
			v.Add(Word{Addr: &p[1]})
			v.Wait(patience)
		},
	} {
		done := make(chan struct{})
		start := time.Now()
		go func() { wait(); close(done) }()
		proctest.Eventually(t, patience, func() bool { return Wake(&p[i], 1) == 1 }, "asleep")
		<-done
		if took := time.Since(start); took >= patience {
			t.Errorf("wait %d was not woken", i)
		}
	}
}
