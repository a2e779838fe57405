//go:build crashtest && linux

package shmsync_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A condScene is an operation that a victim is killed in, at its first crash point, its second, and
// so on until it completes; and what is around it. Six goroutines of two other processes wait
// already.
type condScene struct {
	name    string
	before  func(v *condVictim) // what the victim does before it is armed
	act     func(v *condVictim) error
	granted int  // waiters of a dead process that had been notified
	waits   bool // the test signals until the victim has ended
	// number of others that return when the victim completes, and no other process dies
	least int
	most  int
	all   bool // if more than none, then all
}

type condVictim struct {
	c *shmsync.Cond
	m *shmsync.Mutex
}

func (v *condVictim) wait(d time.Duration) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	must(v.m.Lock(background))
	err := v.c.Wait(ctx, v.m)
	v.m.Unlock()
	return err
}

// sit takes a seat.
func (v *condVictim) sit() { v.wait(time.Microsecond) } //clock: the time-out is the subject

var condScenes = []condScene{
	{name: "first wait", act: func(v *condVictim) error { return v.wait(time.Minute) }, waits: true},
	{name: "wait", before: (*condVictim).sit, act: func(v *condVictim) error { return v.wait(time.Minute) }, waits: true},
	//clock: the time-out is the subject
	{name: "timed wait", before: (*condVictim).sit, act: func(v *condVictim) error { v.wait(time.Millisecond); return nil }},
	{name: "signal", act: func(v *condVictim) error { v.c.Signal(); return nil }, least: 1, most: 1},
	{name: "notify", act: func(v *condVictim) error { v.c.Notify(4); return nil }, least: 4, most: 4},
	{name: "broadcast", act: func(v *condVictim) error { v.c.Broadcast(); return nil }, least: 6, most: 6, all: true},
	{name: "inherit by signal", granted: 2, act: func(v *condVictim) error { v.c.Signal(); return nil }, least: 1, most: 1},
	{name: "inherit by wait", granted: 2, before: (*condVictim).sit, act: func(v *condVictim) error { return v.wait(time.Minute) }, waits: true},
	{name: "inherit by first wait", granted: 2, act: func(v *condVictim) error { return v.wait(time.Minute) }, waits: true},
}

// cond-crasher: SEGMENT SCENE.
var condCrasher = proctest.Register("cond-crasher", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	c, err := shmsync.NewCond(seg, "c", shmsync.CondOptions{Wait: shmsync.Park})
	must(err)
	m, err := shmsync.NewMutex(seg, "m", shmsync.MutexOptions{Repair: func() error { return nil }})
	must(err)
	i, err := strconv.Atoi(args[1])
	must(err)
	v, s := &condVictim{c, m}, condScenes[i]
	if s.before != nil {
		s.before(v)
	}
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() { must(s.act(v)) })
})

// No signal is lost at any point: a waiter that is left gets it within two seconds. At most one
// waiter too many returns for a death, but all that find the lock waiting for repair.
func TestCondCrashSweep(t *testing.T) {
	for i, s := range condScenes {
		t.Run(s.name, func(t *testing.T) {
			proctest.Sweep(t, 1, func(p *proctest.Crash) { s.crash(t, p, i) })
		})
	}
}

const condSleepers = 6

func (s condScene) crash(t *testing.T, p *proctest.Crash, i int) {
	seg := newSegment(t)
	c, err := shmsync.NewCond(seg, "c", shmsync.CondOptions{})
	wantErr(t, "make it", err, nil)
	others := []*proctest.Child{startCondAgent(t, seg, shmsync.Park), startCondAgent(t, seg, shmsync.Adaptive)}
	for _, a := range others {
		a.Send(fmt.Sprint("wait ", condSleepers/len(others)))
	}
	waiting(t, c, condSleepers)
	v := p.Start(condCrasher, seg.Path(), fmt.Sprint(i))
	v.Expect("ready")
	signals := s.grant(t, seg, c, others)
	v.Send("go")
	ended := make(chan struct{})
	sent := make(chan int)
	go func() { sent <- s.signal(c, ended) }()
	completed := p.Wait()
	close(ended)
	signals += <-sent
	if s.waits && slices.Contains(p.Points(), "cond.returned") {
		signals-- // the victim's own
	}
	r, least, most := s.check(t, c, signals, completed)
	c.Broadcast()
	waiting(t, c, 0)
	told := 0
	for _, a := range others {
		for range condSleepers / len(others) {
			switch line := a.Line(); line {
			case "ok":
			case "owner died":
				told++
			default:
				t.Errorf("a waiter returned with %s", line)
			}
		}
		a.Kill()
	}
	switch {
	case told > 0 && completed:
		t.Errorf("completed, and %d were told of a death", told)
	// others look after the lock when the victim has died holding it
	case r < least, r > most && told == 0:
		t.Errorf("completed %v: %d of the others returned, want %d to %d", completed, r, least, most)
	}
}

// grant lets a process die that was notified, if the scene wants that, before another has seen it.
func (s condScene) grant(t *testing.T, seg *shm.Segment, c *shmsync.Cond, others []*proctest.Child) (signals int) {
	t.Helper()
	if s.granted == 0 {
		return 0
	}
	dead := stopWaiting(t, seg, c, s.granted)
	seatOf := payload(t, seg, condKind, "c")[64:]
	number := seats(t, seg) - 1
	word := seatOf[number*64 : number*64+8]
	binary.NativeEndian.PutUint64(word, binary.NativeEndian.Uint64(word)+uint64(s.granted))
	dead.Kill()
	return s.granted
}

// signal sends signals for as long as the victim waits for one, and returns how many.
func (s condScene) signal(c *shmsync.Cond, ended <-chan struct{}) (signals int) {
	for s.waits && !isClosed(ended) && signals < condSleepers-2 {
		// so that the victim is killed at its point, and waits till then
		time.Sleep(3 * time.Millisecond)
		if !isClosed(ended) {
			c.Signal()
			signals++
		}
	}
	return signals
}

// check counts how many of the others have returned in the end, and says how many should have.
func (s condScene) check(t *testing.T, c *shmsync.Cond, signals int, completed bool) (r, least, most int) {
	t.Helper()
	least, most = signals+s.least, signals+s.most
	if !completed && !s.waits { // it may have done nothing
		least = s.granted
	}
	if !completed || s.granted > 0 {
		most++ // one too many
	}
	least, most = min(least, condSleepers), min(most, condSleepers)
	returned := func() int { return condSleepers - c.Waiting() }
	proctest.Eventually(t, hangs, func() bool { return returned() >= least }, fmt.Sprintf("%d of the others return", least))
	if s.all && !completed { // it may have announced itself
		// longer than the backstop, so that all have seen what they see
		time.Sleep(1200 * time.Millisecond)
		proctest.Eventually(t, hangs, func() bool { r := returned(); return r == 0 || r == condSleepers }, "the broadcast reaches all or none")
	}
	time.Sleep(10 * time.Millisecond) // so that one too many would have returned
	return returned(), least, most
}
