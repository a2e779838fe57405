package proctest

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Hang is how long a test waits for what must happen before it says that it never does: longer than
// anything takes on a machine that is slow and busy. It is the bound of all waits of this package.
const Hang = 2 * time.Minute

// FewThreads is how many threads a process may have in which thousands of goroutines wait without
// one of their own. The runtime starts one whenever a system call takes long, which is a matter of
// the machine and of its load.
const FewThreads = 100

// blockTime is how long a call must last to count as blocked. It is a minimum: a slow machine
// cannot break a test by it, only hide for once that a call does not block.
const blockTime = 30 * time.Millisecond

// Eventually calls cond until it returns true. When timeout, mostly [Hang], has passed it fails the
// test with message.
func Eventually(t testing.TB, timeout time.Duration, cond func() bool, message string) {
	t.Helper()
	pause := 100 * time.Microsecond
	for deadline := time.Now().Add(timeout); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, message)
		}
		time.Sleep(pause) // between two looks
		pause = min(2*pause, 10*time.Millisecond)
	}
}

// Ends waits until done is closed, or has a value, and returns the value. When it is not after
// [Hang], it fails the test with message.
func Ends[T any](t testing.TB, done <-chan T, message string) (value T) {
	t.Helper()
	select {
	case value = <-done:
	case <-time.After(Hang):
		t.Fatalf("not within %v: %s", Hang, message)
	}
	return value
}

// MustBlock calls f on a new goroutine and fails the test when f returns within 30 ms. The channel
// is closed when f has returned.
func MustBlock(t testing.TB, f func()) <-chan struct{} {
	t.Helper()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		f()
	}()
	Blocked(t, returned)
	return returned
}

// Blocked fails the test when done is closed, or has a value, within 30 ms: what it tells the end
// of does not block.
func Blocked[T any](t testing.TB, done <-chan T) {
	t.Helper()
	select {
	case <-done:
		t.Fatal("the call did not block")
	case <-time.After(blockTime): //clock: what blocks does so for at least so long
	}
}

// Forever blocks until the process is killed. It is for roles.
func Forever() {
	for {
		time.Sleep(time.Hour) // a select without cases would be a deadlock to the runtime
	}
}

// Stagger lets others go on for a random time below limit, so that what comes next, such as a kill,
// meets them at another point each time. It stands for no event: the test must be right wherever
// they are.
func Stagger(limit time.Duration) {
	time.Sleep(rand.N(limit)) // to be somewhere else each time is the subject
}
