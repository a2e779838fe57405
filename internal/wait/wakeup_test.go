//go:build linux

package wait

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
)

// long selects the heavy forms of tests.
var long = os.Getenv("SHMKIT_LONG") != ""

// rounds is how often a race is tried: n times with SHMKIT_LONG=1, a quarter of it by default, a
// tenth with -short.
func rounds(n int) int {
	switch {
	case long:
		return n
	case testing.Short():
		return n / 10
	}
	return n / 4
}

// polledUntil parks on a poller until the word differs from 0 or ctx ends.
func polledUntil(ctx context.Context, word *uint32) {
	for atomic.LoadUint32(word) == 0 && ctx.Err() == nil {
		parkPolled(ctx, NewCloser(), never, []futex.Word{{Addr: word}})
	}
}

// Two words of one poller change and are woken before its thread runs: the kernel
// tells it of one, the values tell it of the other.
func TestPollerSeesAllOfSeveralChanges(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	for range rounds(300) {
		words := make([]uint32, 5)
		before := parked()
		ended := make(chan struct{}, len(words))
		for i := range words {
			go func() {
				polledUntil(context.Background(), &words[i])
				ended <- struct{}{}
			}()
		}
		proctest.Eventually(t, patience, func() bool { return parked() == before+len(words) }, "all are parked")
		for i := range words {
			change(&words[i])
		}
		for range words {
			<-ended
		}
	}
	nobodyParks(t)
}

// The same with words that have their old values again when the thread looks (ABA). One goroutine
// may miss its wake-up: not for longer than its limit.
//
// clock: the limit is the subject
func TestMissedWakeUpWithoutChangeIsBounded(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	const limit = 100 * time.Millisecond //clock: the limit is the subject
	missed, seen := 0, 0
	for range rounds(20) {
		words := make([]uint32, 2)
		before := parked()
		took := make(chan time.Duration, len(words))
		for i := range words {
			go func() {
				start := time.Now()
				parkPolled(context.Background(), NewCloser(), limit, []futex.Word{{Addr: &words[i]}})
				took <- time.Since(start)
			}()
		}
		for look := 0; parked() < before+len(words) && look < 1000; look++ {
			proctest.Stagger(100 * time.Microsecond) // they may be over already
		}
		// the poller reaches the kernel; if it does not, the test shows less
		proctest.Stagger(2 * time.Millisecond)
		seen += futex.Wake(&words[0], 1) + futex.Wake(&words[1], 1)
		for range words {
			if lasted := <-took; lasted >= limit {
				missed++
			}
		}
	}
	t.Logf("%d of %d wake-ups without a change were missed", missed, seen)
	nobodyParks(t)
}

// A goroutine gives up and passes on a wake-up that it may have been given. Right after that a
// wake-up comes that is meant for another sleeper. It must not reach a thread that still sleeps for
// the goroutine that gave up.
func TestWhoGaveUpTakesNoWakeUp(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	for range rounds(200) {
		word := new(uint32)
		ctx, cancel := context.WithCancel(context.Background())
		before := parked()
		gone := make(chan struct{})
		go func() {
			polledUntil(ctx, word)
			close(gone)
		}()
		proctest.Eventually(t, patience, func() bool { return parked() == before+1 }, "the first is parked")
		// the thread reaches the kernel; if it does not, the test shows less
		proctest.Stagger(200 * time.Microsecond)
		stays := make(chan struct{})
		go func() {
			for atomic.LoadUint32(word) == 0 {
				Park(context.Background(), NewCloser(), never, futex.Word{Addr: word})
			}
			close(stays)
		}()
		proctest.Eventually(t, patience, func() bool { return parked() == before+2 }, "both are parked")
		// the thread reaches the kernel; if it does not, the test shows less
		proctest.Stagger(200 * time.Microsecond)
		cancel()
		<-gone
		change(word) // wakes one
		<-stays
	}
	nobodyParks(t)
}

// A goroutine that gives up may be given a wake-up at the same moment. Then Park returns after it,
// so that the goroutine can pass it on.
func TestWakeUpAndCancelAtOnce(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	for range rounds(300) {
		word := new(uint32)
		ctx, cancel := context.WithCancel(context.Background())
		before := parked()
		first := make(chan struct{})
		go func() {
			polledUntil(ctx, word)
			futex.Wake(word, 1) // pass it on
			close(first)
		}()
		proctest.Eventually(t, patience, func() bool { return parked() == before+1 }, "the first is parked")
		second := make(chan struct{})
		go func() {
			for atomic.LoadUint32(word) == 0 {
				Park(context.Background(), NewCloser(), never, futex.Word{Addr: word})
			}
			close(second)
		}()
		proctest.Eventually(t, patience, func() bool { return parked() == before+2 }, "both are parked")
		go cancel()
		change(word)
		<-first
		<-second
	}
	nobodyParks(t)
}
