package queue

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleClaim claims the next position of the queue in the segment args[0], to put or to get as args[1] says, and
// does not finish until it hears a line.
var roleClaim = proctest.Register("claim", func(args []string) {
	q := openFor(args[0])
	if args[1] == "put" {
		s, p, _, err := q.r.claimPut()
		exitOn(err)
		valueOf[checked](s)[0] = 0xdead // half a message
		proctest.Say("claimed")
		proctest.Hear()
		*valueOf[checked](s) = messageOf(99)
		q.r.publish(s, p)
	} else {
		s, p, _, err := q.r.claimGet()
		exitOn(err)
		proctest.Say("claimed")
		proctest.Hear()
		exitOn(valueOf[checked](s).check())
		exitOn(q.r.release(s, p))
	}
	proctest.Say("finished")
})

// checked is a message that shows when it is torn.
type checked [9]uint64

func messageOf(n uint64) (m checked) {
	for i := range m {
		m[i] = n*uint64(2*i+1) + uint64(i)
	}
	return m
}

func (m *checked) check() error {
	if *m != messageOf(m[0]) {
		return fmt.Errorf("a torn message: %v", *m)
	}
	return nil
}

func openFor(path string) *Queue[checked] {
	seg, err := shm.Open(path)
	exitOn(err)
	q, err := OpenQueue[checked](seg, "q", Options{})
	exitOn(err)
	return q
}

func putChecked(t testing.TB, q *Queue[checked], from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := q.TryPut(messageOf(n)); err != nil {
			t.Fatalf("put %d: %v", n, err)
		}
	}
}

// getChecked takes messages without waiting and checks that they are these.
func getChecked(t testing.TB, q *Queue[checked], from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		v, err := q.TryGet()
		if err != nil || v != messageOf(n) {
			t.Fatalf("got %v, %v, want message %d", v, err, n)
		}
	}
}

// usable fills and drains the queue several times round.
func usable(t testing.TB, q *Queue[checked]) {
	t.Helper()
	for range 3 {
		putChecked(t, q, 1, uint64(q.Cap()))
		wantErr(t, q.TryPut(messageOf(0)), ErrFull)
		getChecked(t, q, 1, uint64(q.Cap()))
		_, err := q.TryGet()
		wantErr(t, err, ErrEmpty)
	}
	if q.Len() != 0 {
		t.Errorf("length %d of an empty queue", q.Len())
	}
}

func wantAbandoned(t testing.TB, q *Queue[checked], want uint64) {
	t.Helper()
	if s := q.Stats(); s.Abandoned != want {
		t.Errorf("stats %+v, want %d abandoned", s, want)
	}
}

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

// A full queue whose oldest message will never be finished has room for a producer, though no consumer comes.
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
			wantErr(t, q.TryPut(messageOf(5)), ErrFull) // it lives, and the next slot is the one it reads
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

// Who sleeps because of a process goes on when that is killed, and not only when he looks again a second later.
func TestSleepersSeeTheDeath(t *testing.T) {
	for _, scene := range []string{"put", "get", "get behind"} {
		t.Run(scene, func(t *testing.T) {
			const rounds = 5
			var took time.Duration
			for range rounds {
				took += deathWakes(t, scene)
			}
			if took > rounds*time.Second/2 {
				t.Errorf("%v in %d rounds", took, rounds)
			}
		})
	}
}

// deathWakes returns how long it takes this process to go on after the death of a child which holds it up: one that
// puts, or gets, while this one puts; or one that puts while this one gets what comes behind.
func deathWakes(t *testing.T, scene string) time.Duration {
	op, behind := strings.CutSuffix(scene, " behind")
	if behind {
		op = "put"
	}
	capacity := 1
	if behind {
		capacity = 2
	}
	q, path := namedQueue[checked](t, capacity, Options{})
	if op == "get" {
		putChecked(t, q, 1, 1)
	}
	child := proctest.Start(t, roleClaim, path, op)
	child.Expect("claimed")
	wait := func() error { return q.Put(background, messageOf(2)) }
	if behind {
		putChecked(t, q, 2, 2)
		wait = func() error {
			v, err := q.Get(background)
			if err == nil && v != messageOf(2) {
				err = fmt.Errorf("got %v", v)
			}
			return err
		}
	}
	var err error
	done := proctest.MustBlock(t, func() { err = wait() })
	time.Sleep(20 * time.Millisecond) // so that it sleeps
	began := time.Now()
	child.Cmd.Process.Kill()
	<-done
	took := time.Since(began)
	if err != nil {
		t.Error(err)
	}
	diedByKill(t, child.Wait())
	if !behind {
		getChecked(t, q, 2, 2)
	}
	wantAbandoned(t, q, 1)
	return took
}

// A56, A57: a stopped process lives. It is waited for, and what it does in the end is whole and in its place.
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
			case <-time.After(1200 * time.Millisecond): // longer than any sleep without a look
			}
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

// roleTraffic puts args[2] messages of producer args[1], or gets until the end, in the segment args[0].
var roleTraffic = proctest.Register("traffic", func(args []string) {
	q := openFor(args[0])
	if args[1] == "get" {
		sum, n := uint64(0), 0
		last := map[uint64]uint64{}
		for v, err := range q.All(background) {
			exitOn(err)
			exitOn(v.check())
			who, k := v[0]>>32, v[0]&(1<<32-1)
			if k <= last[who] {
				exitOn(fmt.Errorf("message %d of %d after %d", k, who, last[who]))
			}
			last[who] = k
			sum += v[0]
			n++
		}
		proctest.Say("%d %d", n, sum)
		return
	}
	who, _ := strconv.ParseUint(args[1], 10, 64)
	n, _ := strconv.ParseUint(args[2], 10, 64)
	for k := uint64(1); k <= n; k++ {
		exitOn(q.Put(background, messageOf(who<<32+k)))
	}
	proctest.Say("done")
})

// Two producers and two consumers, each a process: every message comes once, whole, and in its producer's order.
func TestProcesses(t *testing.T) {
	const each = 20_000
	for _, capacity := range []int{1, 4, 512} {
		t.Run(fmt.Sprint("capacity=", capacity), func(t *testing.T) {
			q, path := namedQueue[checked](t, capacity, Options{}.startingAt(beforeLapWrap(uint64(capacity))))
			var consumers, producers []*proctest.Child
			for i := range 2 {
				consumers = append(consumers, proctest.Start(t, roleTraffic, path, "get"))
				producers = append(producers, proctest.Start(t, roleTraffic, path, fmt.Sprint(i), fmt.Sprint(each)))
			}
			for _, p := range producers {
				p.Expect("done")
				p.WaitOK()
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			n, sum := uint64(0), uint64(0)
			for _, c := range consumers {
				var k, s uint64
				if line := c.Line(); scan(line, &k, &s) != nil {
					t.Fatalf("a consumer said %q", line)
				}
				n, sum = n+k, sum+s
				c.WaitOK()
			}
			if want := uint64(each) << 32; n != 2*each || sum != each*(each+1)+want {
				t.Errorf("%d messages with sum %d", n, sum)
			}
			wantAbandoned(t, q, 0)
		})
	}
}

func scan(line string, values ...any) error {
	_, err := fmt.Sscan(line, values...)
	return err
}

// Producers and consumers that are killed at any time cost at most the message that each has in hand.
func TestKilledAtRandom(t *testing.T) {
	q, path := namedQueue[checked](t, 8, Options{})
	for round := range 20 {
		producer := proctest.Start(t, roleTraffic, path, fmt.Sprint(round+1), "1000000000")
		consumer := proctest.Start(t, roleTraffic, path, "get")
		time.Sleep(time.Duration(20+7*round%11) * time.Millisecond)
		kill(t, producer)
		kill(t, consumer)
		left := 0
		for began := time.Now(); ; left++ {
			v, err := q.TryGet()
			if err == ErrEmpty {
				break
			}
			if err != nil || v.check() != nil || time.Since(began) > soon {
				t.Fatalf("got %v, %v, %v", v, err, v.check())
			}
		}
		usable(t, q)
		if s := q.Stats(); left > 8 || s.Abandoned > 2*uint64(round+1) {
			t.Fatalf("%d messages left, stats %+v", left, s)
		}
	}
}
