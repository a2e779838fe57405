package queue

import (
	"os"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/ring/mpmc"
)

// roleClaim claims the next position of the queue in the segment args[0], to put or to get as
// args[1] says, and does not finish until it hears a line.
var roleClaim = proctest.Register("claim", func(args []string) {
	q := openFor(args[0])
	if args[1] == "put" {
		s, p, _, err := q.r.ClaimPut()
		proctest.ExitOn(err)
		mpmc.Value[checked](s)[0] = 0xdead // half a message
		proctest.Say("claimed")
		proctest.Hear()
		*mpmc.Value[checked](s) = messageOf(99)
		q.r.Publish(s, p)
	} else {
		s, p, _, err := q.r.ClaimGet()
		proctest.ExitOn(err)
		proctest.Say("claimed")
		proctest.Hear()
		proctest.ExitOn(mpmc.Value[checked](s).check())
		proctest.ExitOn(q.r.Release(s, p))
	}
	proctest.Say("finished")
})

// kill ends a child by SIGKILL.
func kill(t testing.TB, child *proctest.Child) {
	t.Helper()
	diedByKill(t, child.Kill())
}

func diedByKill(t testing.TB, state *os.ProcessState) {
	t.Helper()
	if status := state.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("%v, want death by SIGKILL", state)
	}
}

var starts = map[string]uint64{"": 0, "/lap wraps": beforeLapWrap(4) + 3, "/position wraps": beforePositionWrap(4) + 3}

// A57: the claim of a producer that was killed is skipped, in order, and counted.
func TestKilledProducer(t *testing.T) {
	for name, start := range starts {
		t.Run("start"+name, func(t *testing.T) {
			q, path := namedQueue[checked](t, 4, Options{}.startingAt(start))
			putChecked(t, q, 1, 1)
			child := proctest.Start(t, roleClaim, path, "put")
			child.Expect("claimed")
			putChecked(t, q, 2, 3)
			wantErr(t, q.TryPut(messageOf(4)), ErrFull)
			getChecked(t, q, 1, 1)
			_, err := q.TryGet()
			wantErr(t, err, ErrEmpty) // it lives
			kill(t, child)
			getChecked(t, q, 2, 3)
			wantAbandoned(t, q, 1)
			usable(t, q)
			wantAbandoned(t, q, 1)
		})
	}
}

// A full queue with an oldest message that will never be finished has room for a producer, though
// no consumer comes.
func TestKilledProducersFillTheQueue(t *testing.T) {
	for name, start := range starts {
		t.Run("start"+name, func(t *testing.T) {
			q, path := namedQueue[checked](t, 4, Options{}.startingAt(start))
			for range 4 {
				child := proctest.Start(t, roleClaim, path, "put")
				child.Expect("claimed")
				kill(t, child)
			}
			putChecked(t, q, 1, 4)
			wantErr(t, q.TryPut(messageOf(5)), ErrFull)
			wantAbandoned(t, q, 4)
			getChecked(t, q, 1, 4)
			usable(t, q)
			wantAbandoned(t, q, 4)
		})
	}
}

// A consumer that is killed takes its message with it, and no more.
func TestKilledConsumer(t *testing.T) {
	for name, start := range starts {
		t.Run("start"+name, func(t *testing.T) {
			q, path := namedQueue[checked](t, 4, Options{}.startingAt(start))
			putChecked(t, q, 1, 4)
			child := proctest.Start(t, roleClaim, path, "get")
			child.Expect("claimed")
			getChecked(t, q, 2, 2)
			// it lives, and the next slot is the one it reads
			wantErr(t, q.TryPut(messageOf(5)), ErrFull)
			kill(t, child)
			putChecked(t, q, 5, 6)
			wantErr(t, q.TryPut(messageOf(7)), ErrFull)
			wantAbandoned(t, q, 1)
			getChecked(t, q, 3, 6)
			usable(t, q)
			wantAbandoned(t, q, 1)
		})
	}
}

// Close waits for the put of a living process, and not for that of a dead one.
func TestCloseWithUnfinishedPut(t *testing.T) {
	for _, end := range []string{"finishes", "dies"} {
		t.Run(end, func(t *testing.T) {
			q, path := namedQueue[checked](t, 2, Options{})
			child := proctest.Start(t, roleClaim, path, "put")
			child.Expect("claimed")
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			_, err := q.TryGet()
			wantErr(t, err, ErrEmpty)
			var v checked
			done := proctest.MustBlock(t, func() { v, err = q.Get(background) })
			if end == "finishes" {
				child.Send("go on")
				child.Expect("finished")
				child.WaitOK()
				<-done
				if err != nil || v != messageOf(99) {
					t.Errorf("got %v, %v", v, err)
				}
			} else {
				kill(t, child)
				<-done
				wantErr(t, err, ErrClosed)
			}
			_, err = q.TryGet()
			wantErr(t, err, ErrClosed)
		})
	}
}
