package queue

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A56, A57: a stopped process lives. It is waited for, and what it does in the end is whole and in
// its place.
func TestStoppedProcessIsWaitedFor(t *testing.T) {
	for _, op := range []string{"put", "get"} {
		t.Run(op, func(t *testing.T) {
			q, path := namedQueue[checked](t, 2, Options{})
			if op == "get" {
				putChecked(t, q, 1, 2)
			}
			child := proctest.Start(t, roleClaim, path, op)
			child.Expect("claimed")
			child.Signal(syscall.SIGSTOP)
			child.WaitStopped()
			next := func() error { return q.Put(background, messageOf(3)) }
			if op == "put" {
				putChecked(t, q, 3, 3)
				next = func() error {
					v, err := q.Get(background)
					if err == nil && v != messageOf(99) {
						err = fmt.Errorf("got %v before the message of the stopped process", v)
					}
					return err
				}
			}
			var err error
			done := proctest.MustBlock(t, func() { err = next() })
			before := processorTime(t)
			select {
			case <-done:
				t.Errorf("did not wait: %v", err)
			//clock: longer than any sleep without a look, so that it would be over by mistake
			case <-time.After(1200 * time.Millisecond):
			}
			//clock: processor time, of a process that sleeps
			if used := processorTime(t) - before; used > 300*time.Millisecond {
				t.Errorf("the wait took %v of processor time", used)
			}
			child.Signal(syscall.SIGCONT)
			child.Send("go on")
			child.Expect("finished")
			<-done
			if err != nil {
				t.Error(err)
			}
			child.WaitOK()
			wantAbandoned(t, q, 0)
			if op == "put" {
				getChecked(t, q, 3, 3)
			} else {
				getChecked(t, q, 2, 3)
			}
			usable(t, q)
		})
	}
}

// processorTime is how long this process has run.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
