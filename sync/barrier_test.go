//go:build linux

package shmsync_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newBarrier(t testing.TB, seg *shm.Segment, parties int, o shmsync.BarrierOptions) *shmsync.Barrier {
	t.Helper()
	b, err := shmsync.NewBarrier(seg, "b", parties, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// waitBarrier waits as a test does that would rather fail than wait for ever.
func waitBarrier(b *shmsync.Barrier) (int, error) {
	ctx, cancel := context.WithTimeout(background, 10*soon)
	defer cancel()
	return b.Wait(ctx)
}

// wantBroken checks that an error says that the barrier is broken, and why.
func wantBroken(t testing.TB, what string, err error, cause shmsync.BrokenCause) *shmsync.BrokenError {
	t.Helper()
	wantErr(t, what, err, shmsync.ErrBroken)
	var broken *shmsync.BrokenError
	if !errors.As(err, &broken) || broken.Cause != cause {
		t.Fatalf("%s: %v, want cause %d", what, err, cause)
	}
	return broken
}

func barrierVerdict(err error) string {
	var broken *shmsync.BrokenError
	if errors.As(err, &broken) {
		return fmt.Sprintf("broken %d by %d", broken.Cause, broken.PID)
	}
	return verdict(err)
}

var errAction = errors.New("the action cannot")

// barrierActions are what the handles of agents can have as their action.
var barrierActions = map[string]func() error{
	"none":  nil,
	"say":   func() error { proctest.Say("acting"); return nil },
	"fail":  func() error { return errAction },
	"stall": func() error { proctest.Say("acting"); select {} },
}

// barrier-agent: SEGMENT PARTIES ACTION. Orders, of which each is answered:
//
//	wait, timed (of 50 ms): by the index and how it went, and when, in nanoseconds
//	rounds N: by "ok" after that many waits
//	abort, reset, close: by "ok"
//	leave: not at all, after a wait the process kills itself
var barrierAgent = proctest.Register("barrier-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	parties, err := strconv.Atoi(args[1])
	must(err)
	b, err := shmsync.NewBarrier(seg, "b", parties, shmsync.BarrierOptions{Action: barrierActions[args[2]]})
	must(err)
	proctest.Say("ready")
	for {
		order, n, _ := strings.Cut(proctest.Hear(), " ")
		barrierObey(seg, b, order, n)
	}
})

func barrierObey(seg *shm.Segment, b *shmsync.Barrier, order, n string) {
	ctx := background
	switch order {
	case "rounds":
		rounds, err := strconv.Atoi(n)
		must(err)
		for range rounds {
			_, err := b.Wait(background)
			must(err)
		}
	case "timed":
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		fallthrough
	case "wait", "leave":
		index, err := b.Wait(ctx)
		if order == "leave" {
			killMyself()
		}
		proctest.Say("%d %s at %d", index, barrierVerdict(err), time.Now().UnixNano())
		return
	case "abort":
		b.Abort()
	case "reset":
		b.Reset()
	case "close":
		must(seg.Close())
	}
	proctest.Say("ok")
}

func startBarrierAgent(t testing.TB, seg *shm.Segment, parties int, action string) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, barrierAgent, seg.Path(), fmt.Sprint(parties), action)
	c.Expect("ready")
	return c
}

// waited reads an agent's answer to wait. It returns when the agent knew.
func waited(t testing.TB, c *proctest.Child, want string) (at time.Time) {
	t.Helper()
	line := c.Line()
	said, nanoseconds, _ := strings.Cut(line, " at ")
	if _, outcome, _ := strings.Cut(said, " "); outcome != want && said != want {
		t.Fatalf("an agent's wait: %q, want %q", line, want)
	}
	n, err := strconv.ParseInt(nanoseconds, 10, 64)
	must(err)
	return time.Unix(0, n)
}

// arrived waits until n have come and wait.
func arrived(t testing.TB, b *shmsync.Barrier, n int) {
	t.Helper()
	proctest.Eventually(t, 5*time.Second, func() bool { return b.Waiting() == n }, fmt.Sprint(n, " wait"))
}

// A45, wait order: in each round the parties, three processes, come one after another, and get their numbers.
func TestBarrierOrder(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{})
	others := []*proctest.Child{startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none")}
	if b.Parties() != 3 || b.Waiting() != 0 || b.Broken() || b.Name() != "b" {
		t.Errorf("a new barrier: %d parties, %d waiting, broken %v, name %q", b.Parties(), b.Waiting(), b.Broken(), b.Name())
	}
	for range 5 {
		for i, c := range others {
			c.Send("wait")
			arrived(t, b, i+1)
		}
		index, err := waitBarrier(b)
		if index != 2 || err != nil {
			t.Fatalf("the last to come: %d, %v", index, err)
		}
		waited(t, others[0], "0 ok")
		waited(t, others[1], "1 ok")
	}
	for _, c := range others {
		c.Kill()
	}
}

// Nobody leaves before all have come, in any of many rounds that follow each other at once; also when the parties are
// goroutines of three processes, and how ever they wait.
func TestBarrierRounds(t *testing.T) {
	const rounds, here = 300, 3
	for name, policy := range map[string]shmsync.WaitPolicy{"adaptive": shmsync.Adaptive, "park": shmsync.Park} {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			var came atomic.Int64
			b := newBarrier(t, seg, here+2, shmsync.BarrierOptions{Wait: policy})
			var others []*proctest.Child
			for range 2 {
				c := startBarrierAgent(t, seg, here+2, "none")
				c.Send(fmt.Sprint("rounds ", rounds))
				others = append(others, c)
			}
			var wg sync.WaitGroup
			for range here {
				wg.Go(func() {
					for round := range rounds {
						came.Add(1)
						_, err := waitBarrier(b)
						must(err)
						if n := int(came.Load()); n < here*(round+1) || n > here*(round+2) {
							t.Errorf("after round %d %d had come", round, n)
						}
					}
				})
			}
			wg.Wait()
			for _, c := range others {
				c.Expect("ok")
				c.Kill()
			}
		})
	}
}

// More goroutines than parties use the barrier: it lets them go in groups. Of a barrier for one nobody waits.
func TestBarrierGroups(t *testing.T) {
	seg := newSegment(t)
	const parties, goroutines, rounds = 3, 9, 100
	b := newBarrier(t, seg, parties, shmsync.BarrierOptions{Action: func() error { return nil }})
	var indices [parties]atomic.Int64
	var wg sync.WaitGroup
	var budget atomic.Int64 // of waits; a multiple of the parties
	budget.Store(parties * goroutines * rounds)
	for range goroutines {
		wg.Go(func() {
			for budget.Add(-1) >= 0 {
				index, err := waitBarrier(b)
				must(err)
				indices[index].Add(1)
			}
		})
	}
	wg.Wait()
	for i := range indices {
		if n := indices[i].Load(); n != goroutines*rounds {
			t.Errorf("index %d came %d times, want %d", i, n, goroutines*rounds)
		}
	}
	alone, err := shmsync.NewBarrier(seg, "alone", 1, shmsync.BarrierOptions{})
	must(err)
	ended, cancel := context.WithCancel(background)
	cancel()
	for range 3 {
		if index, err := alone.Wait(ended); index != 0 || err != nil {
			t.Errorf("a barrier for one: %d, %v", index, err)
		}
	}
}

// A45, action: the last to come runs that of its own handle, before anybody leaves; the others' are not run.
func TestBarrierAction(t *testing.T) {
	seg := newSegment(t)
	ran := 0
	b := newBarrier(t, seg, 2, shmsync.BarrierOptions{Action: func() error { ran++; return nil }})
	other := startBarrierAgent(t, seg, 2, "say")
	other.Send("wait")
	arrived(t, b, 1)
	_, err := waitBarrier(b)
	wantErr(t, "the last to come", err, nil)
	waited(t, other, "0 ok")
	if ran != 1 {
		t.Errorf("the action ran %d times", ran)
	}
	here := make(chan error)
	go func() { _, err := waitBarrier(b); here <- err }()
	arrived(t, b, 1)
	other.Send("wait")
	other.Expect("acting")
	waited(t, other, "1 ok")
	wantErr(t, "the first to come", <-here, nil)
	if ran != 1 {
		t.Errorf("the action of the first ran, too")
	}
	other.Kill()
}

// An action that fails, or panics, breaks the barrier; who ran it gets its error, or panic.
func TestBarrierActionFails(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 2, shmsync.BarrierOptions{})
	failing := newBarrier(t, seg, 2, shmsync.BarrierOptions{Action: func() error { return errAction }})
	panicking := newBarrier(t, seg, 2, shmsync.BarrierOptions{Action: func() error { panic(errAction) }})
	for what, last := range map[string]func(){
		"fails": func() {
			_, err := waitBarrier(failing)
			wantErr(t, "who ran it", err, errAction)
		},
		"panics": func() { wantPanic(t, "Wait", errAction.Error(), func() { waitBarrier(panicking) }) },
	} {
		here := make(chan error)
		go func() { _, err := waitBarrier(b); here <- err }()
		arrived(t, b, 1)
		last()
		wantBroken(t, "the other, when the action "+what, <-here, shmsync.BrokenByAction)
		_, err := waitBarrier(b)
		wantBroken(t, "who comes later", err, shmsync.BrokenByAction)
		if !b.Broken() || b.Waiting() != 0 {
			t.Errorf("broken %v, %d waiting", b.Broken(), b.Waiting())
		}
		b.Reset()
	}
	other := startBarrierAgent(t, seg, 2, "fail")
	here := make(chan error)
	go func() { _, err := waitBarrier(b); here <- err }()
	arrived(t, b, 1)
	other.Send("wait")
	waited(t, other, errAction.Error())
	if broken := wantBroken(t, "when that of another process fails", <-here, shmsync.BrokenByAction); broken.PID != other.PID() {
		t.Errorf("%+v did it, and not %d", broken, other.PID())
	}
	other.Kill()
}

// Who comes while the last of a round runs its action waits for the next round, and has broken nothing when it gives up.
func TestBarrierComeDuringAction(t *testing.T) {
	seg := newSegment(t)
	acting, go_on := make(chan bool), make(chan bool)
	b := newBarrier(t, seg, 1, shmsync.BarrierOptions{Action: func() error { acting <- true; <-go_on; return nil }})
	first, second := make(chan error), make(chan error)
	go func() { _, err := waitBarrier(b); first <- err }()
	<-acting
	short, cancel := context.WithTimeout(background, 5*time.Millisecond)
	defer cancel()
	_, err := b.Wait(short)
	wantErr(t, "who gives up during the action", err, context.DeadlineExceeded)
	go func() { _, err := waitBarrier(b); second <- err }()
	time.Sleep(5 * time.Millisecond)
	go_on <- true
	wantErr(t, "the first round", <-first, nil)
	<-acting
	go_on <- true
	wantErr(t, "the second round", <-second, nil)
}

// A45, abort, by any of the processes, one of which has no part: whoever waits and whoever comes is told.
func TestBarrierAbort(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{Spectator: true})
	agents := []*proctest.Child{startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none")}
	for _, aborts := range []string{"spectator", "party"} {
		agents[0].Send("wait")
		agents[1].Send("wait")
		arrived(t, b, 2)
		want := fmt.Sprintf("broken %d by %d", shmsync.BrokenByAbort, agents[2].PID())
		if aborts == "party" {
			told(t, agents[2], "abort", "ok")
		} else {
			want = fmt.Sprintf("broken %d by %d", shmsync.BrokenByAbort, myPID)
			b.Abort()
		}
		for _, c := range agents[:2] {
			waited(t, c, want)
		}
		agents[2].Send("wait")
		waited(t, agents[2], want)
		b.Abort() // changes nothing
		if !b.Broken() {
			t.Error("not broken after an abort")
		}
		b.Reset()
		if b.Broken() {
			t.Error("broken after a reset")
		}
	}
	for _, c := range agents {
		c.Send("wait")
	}
	for _, c := range agents {
		waited(t, c, "ok")
	}
	for _, c := range agents {
		c.Kill()
	}
}

// A45, reset: of a barrier that nobody waits at, it does nothing; those who wait are told. Abort then reset, while
// those who were told have not noticed yet.
func TestBarrierReset(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{})
	others := []*proctest.Child{startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none")}
	for round := range 20 {
		b.Reset()
		for _, c := range others {
			c.Send("wait")
		}
		arrived(t, b, 2)
		want := shmsync.BrokenByReset
		if round%2 == 0 {
			want = shmsync.BrokenByAbort
			b.Abort()
		}
		b.Reset()
		if b.Broken() || b.Waiting() != 0 {
			t.Fatalf("after the reset: broken %v, %d waiting", b.Broken(), b.Waiting())
		}
		for _, c := range others {
			waited(t, c, fmt.Sprintf("broken %d by %d", want, myPID))
		}
		for _, c := range others {
			c.Send("wait")
		}
		_, err := waitBarrier(b)
		wantErr(t, "the round after", err, nil)
		for _, c := range others {
			waited(t, c, "ok")
		}
	}
	for _, c := range others {
		c.Kill()
	}
}

// A45, timeouts: who gives up gets its context's error, the others ErrBroken. The last to come needs no time.
func TestBarrierTimeout(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{})
	others := []*proctest.Child{startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none")}
	others[0].Send("wait")
	arrived(t, b, 1)
	began := time.Now()
	others[1].Send("timed")
	at := waited(t, others[1], "deadline")
	if took := at.Sub(began); took < 50*time.Millisecond {
		t.Errorf("it gave up after %v", took)
	}
	waited(t, others[0], fmt.Sprintf("broken %d by %d", shmsync.BrokenByGivingUp, others[1].PID()))
	_, err := waitBarrier(b)
	wantBroken(t, "who comes later", err, shmsync.BrokenByGivingUp)
	b.Reset()

	ended, cancel := context.WithCancelCause(background)
	cancel(errAction)
	others[0].Send("wait")
	arrived(t, b, 1)
	others[1].Send("wait")
	arrived(t, b, 2)
	index, err := b.Wait(ended)
	if index != 2 || err != nil {
		t.Errorf("the last to come: %d, %v", index, err)
	}
	for _, c := range others {
		waited(t, c, "ok")
	}
	_, err = b.Wait(ended)
	wantErr(t, "with a context that has ended", err, errAction)
	if !b.Broken() {
		t.Error("who came without time to wait has not broken it")
	}
	for _, c := range others {
		c.Kill()
	}
}

// A32: new, open, and new once more; another number of parties, an impossible one, another kind, a spectator's Wait.
func TestBarrierNewAndOpen(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenBarrier(seg, "b", shmsync.BarrierOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	for _, n := range []int{0, -1, 65536} {
		_, err := shmsync.NewBarrier(seg, "b", n, shmsync.BarrierOptions{})
		wantErr(t, fmt.Sprint("for ", n), err, fs.ErrInvalid)
	}
	newBarrier(t, seg, 65535, shmsync.BarrierOptions{})
	wantErr(t, "remove", seg.RemoveObject("b"), nil)
	newBarrier(t, seg, 2, shmsync.BarrierOptions{})
	b, err := shmsync.OpenBarrier(seg, "b", shmsync.BarrierOptions{})
	wantErr(t, "open what is there", err, nil)
	if b.Parties() != 2 {
		t.Errorf("%d parties", b.Parties())
	}
	var mismatch *shm.MismatchError
	if _, err := shmsync.NewBarrier(seg, "b", 3, shmsync.BarrierOptions{}); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "for 2 parties, not 3") {
		t.Errorf("for another number: %v", err)
	}
	newMutex(t, seg, "m")
	if _, err := shmsync.NewBarrier(seg, "m", 3, shmsync.BarrierOptions{}); !errors.As(err, &mismatch) {
		t.Errorf("make what is a Mutex: %v", err)
	}
	if _, err := shmsync.NewBarrier(seg, "", 3, shmsync.BarrierOptions{}); err == nil {
		t.Error("a barrier without a name was made")
	}
	spectator := newBarrier(t, seg, 2, shmsync.BarrierOptions{Spectator: true})
	_, err = spectator.Wait(background)
	wantErr(t, "a spectator's Wait", err, fs.ErrInvalid)
	if b.Broken() {
		t.Error("an impossible Wait has broken it")
	}
}

var barrierUnmarshaler = proctest.Register("barrier-unmarshaler", func(args []string) {
	data, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var b shmsync.Barrier
	must(b.UnmarshalBinary(data))
	index, err := b.Wait(background)
	proctest.Say("%s %d %s", b.Name(), index, verdict(err))
	proctest.Hear()
})

// A handle reaches another process as bytes, and makes it a party.
func TestBarrierMarshal(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 2, shmsync.BarrierOptions{})
	data, err := b.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	c := proctest.Start(t, barrierUnmarshaler, base64.StdEncoding.EncodeToString(data))
	arrived(t, b, 1)
	_, err = waitBarrier(b)
	wantErr(t, "wait", err, nil)
	c.Expect("b 0 ok")
	c.Kill()
	_, err = waitBarrier(b)
	wantBroken(t, "after its death", err, shmsync.BrokenByDeath)
	var m shmsync.Mutex
	if err := m.UnmarshalBinary(data); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a Barrier as a Mutex: %v", err)
	}
}
