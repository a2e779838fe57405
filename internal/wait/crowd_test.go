//go:build linux

package wait

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"golang.org/x/sys/unix"
)

// crowd is a process of its own, so that threads which earlier tests have left are not counted in
// its favour.
var roleCrowd = proctest.Register("crowd", func(args []string) {
	n, _ := strconv.Atoi(args[0])
	words, _ := strconv.Atoi(args[1])
	goroutines := runtime.NumGoroutine()
	if err := crowd(n, words); err != nil {
		proctest.Say("%v", err)
		return
	}
	// between two looks
	for started := time.Now(); runtime.NumGoroutine() > goroutines || parked() > 0; proctest.Stagger(2 * time.Millisecond) {
		if time.Since(started) > patience {
			proctest.Say("%d goroutines are left, %d of them parked", runtime.NumGoroutine()-goroutines, parked())
			return
		}
	}
	proctest.Say("well")
})

// crowd parks n goroutines, each on words of its own, and wakes them one by one. It
// returns what is wrong.
func crowd(n, words int) error {
	c := NewCloser()
	defer c.Close()
	all := make([]uint32, n*words)
	before := threads()
	var parks atomic.Int64
	var ended sync.WaitGroup
	returned := make([]atomic.Bool, n)
	for i := range n {
		own := all[i*words:][:words]
		ended.Go(func() {
			defer returned[i].Store(true)
			for {
				var v []futex.Word
				for w := range own {
					value := atomic.LoadUint32(&own[w])
					if value != 0 {
						return
					}
					v = append(v, futex.Word{Addr: &own[w]})
				}
				parks.Add(1)
				Park(context.Background(), c, never, v...)
			}
		})
	}
	// between two looks
	for started := time.Now(); int(parks.Load()) < n || futex.HasWaitAny() && parked() < n; proctest.Stagger(2 * time.Millisecond) {
		if time.Since(started) > patience {
			return fmt.Errorf("%d of %d are parked", parked(), n)
		}
	}
	if more := threads() - before; more > proctest.FewThreads {
		return fmt.Errorf("%d parked goroutines on %d words each cost %d threads", n, words, more)
	}
	for _, i := range rand.Perm(n) {
		if returned[i].Load() {
			return fmt.Errorf("goroutine %d returned before it was woken", i)
		}
		change(&all[i*words+rand.IntN(words)])
	}
	ended.Wait()
	return nil
}

func TestManyParkOnFewThreads(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 300
	}
	for _, fallback := range []string{"", "waitv"} {
		for words := 1; words <= 2; words++ { // an object, and an owner
			t.Run(fmt.Sprintf("words=%d,fallback=%s", words, fallback), func(t *testing.T) {
				child := proctest.Command(t, roleCrowd, strconv.Itoa(n), strconv.Itoa(words))
				child.Cmd.Env = append(child.Cmd.Env, futex.FallbackEnv+"="+fallback)
				child.Start()
				child.Expect("well")
				child.WaitOK()
			})
		}
	}
}

// usage is what this process has used so far: processor time, and how often a thread of it slept.
func usage(t *testing.T) (used time.Duration, sleeps int64) {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Nvcsw
}

// What parked goroutines use is counted in sleeps: a look takes a microsecond on one machine and a
// hundred on another. The bound of processor time finds a loop without sleeps.
func TestParkedUsesNoCPU(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	during := time.Second //clock: processor time, of goroutines that sleep
	switch {
	case long:
		during = 10 * time.Second //clock: the same
	case testing.Short():
		during = 500 * time.Millisecond //clock: the same
	}
	goroutines := 1000 // some by themselves, most on pollers
	if race.Enabled {
		goroutines = 200 // the detector is paid with time: each looks once a second
	}
	c := NewCloser()
	var all sync.WaitGroup
	for range goroutines {
		word := new(uint32)
		all.Go(func() {
			for !c.Closed() {
				Park(context.Background(), c, never, futex.Word{Addr: word})
			}
		})
	}
	proctest.Eventually(t, patience, func() bool { return parked() == goroutines }, "all are parked")
	time.Sleep(50 * time.Millisecond) // what the start has caused
	began := time.Now()
	usedBefore, sleepsBefore := usage(t)
	time.Sleep(during) // what they use meanwhile is the subject
	used, sleeps := usage(t)
	used, sleeps = used-usedBefore, sleeps-sleepsBefore
	passed := time.Since(began)
	t.Logf("%d parked goroutines used %v in %v, and slept %d times", goroutines, used, passed, sleeps)
	if used > passed/4 { //clock: processor time
		t.Errorf("parked goroutines used %v of CPU time in %v", used, passed)
	}
	if most := 200 + int64(200*passed.Seconds()); sleeps > most {
		t.Errorf("parked goroutines slept %d times in %v, more than %d", sleeps, passed, most)
	}
	c.Close()
	all.Wait()
	nobodyParks(t)
}

// Cancels, closes, wakes and time-outs of goroutines that share pollers, all at once.
func TestStorm(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	words, _ := sharedWords(t, 64)
	stop := make(chan struct{})
	var all sync.WaitGroup
	var waits atomic.Int64
	enough := int64(rounds(200_000))
	for range 200 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				stormyWait(words)
				if waits.Add(1) == enough {
					close(stop)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	for over := false; !over; {
		change(&words[rand.IntN(len(words))])
		runtime.Gosched()
		select {
		case <-ended:
			over = true
		default:
		}
	}
	nobodyParks(t)
}

// stormyWait parks on some of the words, and has something random end it.
func stormyWait(words []uint32) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := NewCloser()
	var v []futex.Word
	for range 1 + rand.IntN(MaxWords) {
		word := &words[rand.IntN(len(words))]
		v = append(v, futex.Word{Addr: word, Val: atomic.LoadUint32(word)})
	}
	limit := never
	//clock: what ends a wait is the subject
	switch soon := time.Duration(rand.IntN(int(2 * time.Millisecond))); rand.IntN(4) {
	case 0:
		defer time.AfterFunc(soon, cancel).Stop()
	case 1:
		defer time.AfterFunc(soon, c.Close).Stop()
	case 2:
		limit = soon
	}
	Park(ctx, c, limit, v...)
}
