//go:build linux

package lock

import (
	"context"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// A waiter with a long sleep is woken as others are, but looks no sooner: others look after the
// backstop.
func TestPatient(t *testing.T) {
	r := visit(t, newRoom(t))
	for _, ctx := range []context.Context{background, patient} {
		e, done := r.event(0), r.counter(1)
		done.Store(0)
		looks, ended := r.counter(2), make(chan error)
		looks.Store(0)
		go func() {
			ended <- e.Await(ctx, wait.Parking, func() bool { looks.Add(1); return done.Load() == 1 }, nil)
		}()
		proctest.Eventually(t, hangs, func() bool { return looks.Load() >= 2 }, "no look before the sleep")
		if ctx == background {
			proctest.Eventually(t, hangs, func() bool { return looks.Load() > 2 }, "no look after the backstop")
		} else {
			// how often it looks by itself is the subject
			time.Sleep(2*wait.Backstop + 100*time.Millisecond)
			if n := looks.Load(); n > 2 {
				t.Errorf("a patient waiter has looked %d times", n)
			}
		}
		done.Store(1)
		e.Notify()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
