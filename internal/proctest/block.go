package proctest

import (
	"testing"
	"time"
)

// blockTime is how long a call must last to count as blocked. It is a minimum: a slow machine cannot break a test by
// it, only hide for once that a call does not block.
const blockTime = 30 * time.Millisecond

// Eventually calls cond until it returns true. When timeout has passed it fails the test with message.
func Eventually(t testing.TB, timeout time.Duration, cond func() bool, message string) {
	t.Helper()
	pause := 100 * time.Microsecond
	for deadline := time.Now().Add(timeout); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, message)
		}
		time.Sleep(pause)
		pause = min(2*pause, 10*time.Millisecond)
	}
}

// MustBlock calls f on a new goroutine and fails the test when f returns within 30 ms. The channel is closed when f
// has returned.
func MustBlock(t testing.TB, f func()) <-chan struct{} {
	t.Helper()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		f()
	}()
	select {
	case <-returned:
		t.Fatal("the call did not block")
	case <-time.After(blockTime):
	}
	return returned
}
