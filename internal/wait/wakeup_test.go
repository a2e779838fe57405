//go:build linux

package wait

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
)

// rounds is how often a race is tried.
func rounds(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// polledUntil parks on a poller until the word differs from 0 or ctx ends.
func polledUntil(ctx context.Context, word *uint32) {
	e := time.Now().Add(patience)
	for atomic.LoadUint32(word) == 0 && ctx.Err() == nil && time.Now().Before(e) {
		parkPolled(ctx, NewCloser(), Longest, []futex.Word{{Addr: word}})
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
		start := time.Now()
		for i := range words {
			change(&words[i])
		}
		for range words {
			<-ended
		}
		if took := time.Since(start); took >= prompt {
			t.Fatalf("the wake-ups took %v", took)
		}
	}
	nobodyParks(t)
}

// The same with words that have their old values again when the thread looks (ABA). One goroutine
// may miss its wake-up: not for longer than its limit.
func TestMissedWakeUpWithoutChangeIsBounded(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	const limit = 100 * time.Millisecond
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
		for end := time.Now().Add(limit / 2); parked() < before+len(words) && time.Now().Before(end); {
			time.Sleep(50 * time.Microsecond)
		}
		time.Sleep(time.Millisecond)
		seen += futex.Wake(&words[0], 1) + futex.Wake(&words[1], 1)
		for range words {
			lasted := <-took
			if lasted >= prompt {
				t.Fatalf("a wait of at most %v lasted %v", limit, lasted)
			}
			if lasted >= limit {
				missed++
			}
		}
	}
	t.Logf("%d of %d wake-ups without a change were missed", missed, seen)
	nobodyParks(t)
}

// A goroutine gives up and passes on what it may have been given; right after that a wake-up comes that is meant for
// another sleeper. It must not reach a thread that still sleeps for the one who has gone.
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
		time.Sleep(100 * time.Microsecond)
		stays := make(chan time.Duration)
		go func() {
			start := time.Now()
			for atomic.LoadUint32(word) == 0 {
				Park(context.Background(), NewCloser(), Longest, futex.Word{Addr: word})
			}
			stays <- time.Since(start)
		}()
		proctest.Eventually(t, patience, func() bool { return parked() == before+2 }, "both are parked")
		time.Sleep(100 * time.Microsecond)
		cancel()
		<-gone
		change(word) // wakes one
		if took := <-stays; took >= prompt {
			t.Fatalf("the wake-up did not arrive: %v", took)
		}
	}
	nobodyParks(t)
}

// Who gives up may be given a wake-up at the same moment. Then it is its to pass on: Park returns after that.
func TestWakeUpAndCancelAtOnce(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	lost := 0
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
		second := make(chan time.Duration)
		go func() {
			start := time.Now()
			for atomic.LoadUint32(word) == 0 {
				Park(context.Background(), NewCloser(), Longest, futex.Word{Addr: word})
			}
			second <- time.Since(start)
		}()
		proctest.Eventually(t, patience, func() bool { return parked() == before+2 }, "both are parked")
		go cancel()
		change(word)
		<-first
		if took := <-second; took >= prompt {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d wake-ups were lost", lost)
	}
	nobodyParks(t)
}
