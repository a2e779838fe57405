//go:build crashtest

package queue

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

// roleCrash does operation args[1] once on the queue in the segment args[0], is killed or stopped (args[2]) at its
// args[3]-th point, and writes the name of each point that it passes to a file beside the segment.
var roleCrash = proctest.Register("crash", func(args []string) {
	q := openFor(args[0])
	n, err := strconv.Atoi(args[3])
	exitOn(err)
	f, err := os.OpenFile(filepath.Dir(args[0])+"/points", os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	exitOn(err)
	crashpoint.Trace(func(name string) { fmt.Fprintln(f, name) })
	proctest.Say("ready")
	if args[2] == "stop" {
		crashpoint.Stop(n)
	} else {
		crashpoint.Arm(n)
	}
	switch args[1] {
	case "put":
		exitOn(q.Put(background, messageOf(99)))
	case "get":
		v, err := q.Get(background)
		exitOn(err)
		exitOn(v.check())
	case "close":
		exitOn(q.Close())
	default:
		exitOn(operations[args[1]](q))
	}
	crashpoint.Disarm()
	crashpoint.Trace(nil)
	proctest.Say("done")
})

// passed returns the points that the child of that segment has passed.
func passed(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Dir(path) + "/points")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// A scene is what is there when the child begins its operation, and what goes for the survivors after its death.
type scene struct {
	op       string
	capacity int
	joinable bool
	fill     uint64                                             // messages 1, 2, … in the queue
	before   func(t *testing.T, q *Queue[checked], path string) // prepares more; may be nil
	during   func(t *testing.T, q *Queue[checked])              // what the test does when the child has begun; may be nil
	after    func(t *testing.T, q *Queue[checked], points []string)
}

// sweep plays the scene once for each point of the operation, with the death of the child there, until the
// child comes through.
func sweep(t *testing.T, s scene) {
	all := map[string]bool{}
	for n := 1; ; n++ {
		q, path := namedQueue[checked](t, s.capacity, Options{Joinable: s.joinable}.startingAt(beforeLapWrap(uint64(s.capacity))+uint64(s.capacity)-1))
		putChecked(t, q, 1, s.fill)
		if s.before != nil {
			s.before(t, q, path)
		}
		child := proctest.Start(t, roleCrash, path, s.op, "kill", strconv.Itoa(n))
		child.Expect("ready")
		if s.during != nil {
			s.during(t, q)
		}
		state := child.Wait()
		points := passed(t, path)
		survived := state.Success()
		if !survived {
			diedByKill(t, state)
			if len(points) != n {
				t.Fatalf("%d points passed at death %d: %v; stderr:\n%s", len(points), n, points, child.Stderr())
			}
		}
		for _, p := range points {
			all[p] = true
		}
		began := time.Now()
		s.after(t, q, points)
		usable(t, q)
		if took := time.Since(began); took > soon {
			t.Errorf("the survivors needed %v after a death at %v", took, points)
		}
		if t.Failed() {
			t.Fatalf("killed at point %d of %v", n, points)
		}
		if survived {
			break
		}
	}
	t.Logf("points: %v", sorted(all))
}

func sorted(set map[string]bool) (names []string) {
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// putCounts says how often message 99 comes out after a put that passed these points, and how often it is abandoned.
func putCounts(points []string) (comes, abandoned uint64) {
	switch {
	case slices.Contains(points, "queue.published"):
		return 1, 0
	case slices.Contains(points, "queue.claimed"):
		return 0, 1
	}
	return 0, 0
}

// getCounts says the same of a get of one message that was in the queue.
func getCounts(points []string) (comes, abandoned uint64) {
	switch {
	case slices.Contains(points, "queue.released"):
		return 0, 0
	case slices.Contains(points, "queue.taken"):
		return 0, 1
	}
	return 1, 0
}

func TestCrashInPut(t *testing.T) {
	sweep(t, scene{op: "put", capacity: 4, fill: 2, after: func(t *testing.T, q *Queue[checked], points []string) {
		comes, abandoned := putCounts(points)
		putChecked(t, q, 3, 3)
		getChecked(t, q, 1, 2)
		if comes == 1 {
			getChecked(t, q, 99, 99)
		}
		getChecked(t, q, 3, 3)
		wantAbandoned(t, q, abandoned)
	}})
}

// The put that dies has to wake a consumer.
func TestCrashInPutWhileAConsumerSleeps(t *testing.T) {
	type result struct {
		v   checked
		err error
	}
	results := make(chan result, 1)
	sweep(t, scene{
		op: "put", capacity: 4,
		before: func(t *testing.T, q *Queue[checked], path string) {
			go func() {
				v, err := q.Get(background)
				results <- result{v, err}
			}()
			time.Sleep(10 * time.Millisecond)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := putCounts(points)
			want := uint64(99)
			if comes == 0 {
				putChecked(t, q, 3, 3)
				want = 3
			}
			select {
			case r := <-results:
				if r.err != nil || r.v != messageOf(want) {
					t.Errorf("got %v, %v, want message %d", r.v, r.err, want)
				}
			case <-time.After(soon):
				t.Error("the consumer sleeps on")
				q.Close()
			}
			wantAbandoned(t, q, abandoned)
		},
	})
}

// The put that dies waits for room, and is woken or not.
func TestCrashInPutThatWaits(t *testing.T) {
	sweep(t, scene{
		op: "put", capacity: 2, fill: 2,
		during: func(t *testing.T, q *Queue[checked]) {
			time.Sleep(10 * time.Millisecond)
			getChecked(t, q, 1, 1)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := putCounts(points)
			getChecked(t, q, 2, 2)
			if comes == 1 {
				getChecked(t, q, 99, 99)
			}
			drained(t, q)
			wantAbandoned(t, q, abandoned)
		},
	})
}

// drained takes a step as a consumer, so that what the dead have left is seen, and checks that there is no message.
func drained(t *testing.T, q *Queue[checked]) {
	t.Helper()
	_, err := q.TryGet()
	wantErr(t, err, ErrEmpty)
}

func TestCrashInGet(t *testing.T) {
	sweep(t, scene{op: "get", capacity: 4, fill: 3, after: func(t *testing.T, q *Queue[checked], points []string) {
		comes, abandoned := getCounts(points)
		if comes == 1 {
			getChecked(t, q, 1, 1)
		}
		getChecked(t, q, 2, 3)
		drained(t, q)
		usable(t, q) // the slot is counted when it is needed
		wantAbandoned(t, q, abandoned)
	}})
}

// The get that dies has to wake a producer.
func TestCrashInGetWhileAProducerSleeps(t *testing.T) {
	results := make(chan error, 1)
	sweep(t, scene{
		op: "get", capacity: 2, fill: 2,
		before: func(t *testing.T, q *Queue[checked], path string) {
			go func() { results <- q.Put(background, messageOf(3)) }()
			time.Sleep(10 * time.Millisecond)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := getCounts(points)
			if comes == 1 {
				getChecked(t, q, 1, 1)
			}
			select {
			case err := <-results:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(soon):
				t.Error("the producer sleeps on")
				q.Close()
			}
			getChecked(t, q, 2, 3)
			usable(t, q)
			wantAbandoned(t, q, abandoned)
		},
	})
}

// The get that dies waits for a message, and is woken or not.
func TestCrashInGetThatWaits(t *testing.T) {
	sweep(t, scene{
		op: "get", capacity: 2,
		during: func(t *testing.T, q *Queue[checked]) {
			time.Sleep(10 * time.Millisecond)
			putChecked(t, q, 1, 2)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := getCounts(points)
			if comes == 1 {
				getChecked(t, q, 1, 1)
			}
			getChecked(t, q, 2, 2)
			drained(t, q)
			usable(t, q)
			wantAbandoned(t, q, abandoned)
		},
	})
}

// killAClaim leaves a slot that a dead process had claimed.
func killAClaim(op string) func(t *testing.T, q *Queue[checked], path string) {
	return func(t *testing.T, q *Queue[checked], path string) {
		child := proctest.Start(t, roleClaim, path, op)
		child.Expect("claimed")
		kill(t, child)
	}
}

// Who frees the slot of a dead process dies, too: the count may miss the first one then.
func TestCrashOfWhoSkipsADeadProducer(t *testing.T) {
	sweep(t, scene{
		op: "get", capacity: 2,
		before: func(t *testing.T, q *Queue[checked], path string) {
			killAClaim("put")(t, q, path)
			putChecked(t, q, 1, 1)
		},
		after: func(t *testing.T, q *Queue[checked], points []string) {
			comes, abandoned := getCounts(points)
			if comes == 1 {
				getChecked(t, q, 1, 1)
			}
			drained(t, q)
			usable(t, q)
			abandonedOf(t, q, points, abandoned)
		},
	})
}

func TestCrashOfWhoFreesTheSlotOfADeadProducer(t *testing.T) {
	sweep(t, scene{op: "put", capacity: 1, before: killAClaim("put"), after: func(t *testing.T, q *Queue[checked], points []string) {
		comes, abandoned := putCounts(points)
		if comes == 1 {
			getChecked(t, q, 99, 99)
		}
		drained(t, q)
		abandonedOf(t, q, points, abandoned)
	}})
}

func TestCrashOfWhoFreesTheSlotOfADeadConsumer(t *testing.T) {
	sweep(t, scene{op: "put", capacity: 1, fill: 1, before: killAClaim("get"), after: func(t *testing.T, q *Queue[checked], points []string) {
		comes, abandoned := putCounts(points)
		if comes == 1 {
			getChecked(t, q, 99, 99)
		}
		drained(t, q)
		usable(t, q)
		abandonedOf(t, q, points, abandoned)
	}})
}

// abandonedOf expects one slot to be counted, which was dead before the child came, and those of the child.
func abandonedOf(t *testing.T, q *Queue[checked], points []string, ofChild uint64) {
	t.Helper()
	want := 1 + ofChild
	if points[len(points)-1] == "queue.abandoned" {
		want-- // killed between freeing and counting
	}
	wantAbandoned(t, q, want)
}

// A close that dies is complete or has not happened; no sleeper sleeps on.
func TestCrashInClose(t *testing.T) {
	for n := 1; ; n++ {
		q, path := namedQueue[checked](t, 1, Options{})
		results := make(chan error, 2)
		go func() {
			_, err := q.Get(background)
			results <- err
		}()
		time.Sleep(10 * time.Millisecond)
		child := proctest.Start(t, roleCrash, path, "close", "kill", strconv.Itoa(n))
		child.Expect("ready")
		survived := child.Wait().Success()
		if !q.Closed() {
			t.Fatalf("not closed after %v", passed(t, path))
		}
		select {
		case err := <-results:
			wantErr(t, err, ErrClosed)
		case <-time.After(soon):
			t.Fatalf("the consumer sleeps on after %v", passed(t, path))
		}
		if survived {
			break
		}
	}
}

// A put that is complete before the close is delivered, also to who had looked just before both.
func TestPutAndCloseAfterTheLook(t *testing.T) {
	q := newQueue[int64](t, 2, Options{})
	did := false
	crashpoint.Trace(func(name string) {
		if name == "queue.found.empty" && !did {
			did = true
			mustPut(t, q, 7)
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	defer crashpoint.Trace(nil)
	mustGet(t, q, 7)
	_, err := q.TryGet()
	wantErr(t, err, ErrClosed)
	if !did {
		t.Error("the point was not passed")
	}
}

// A process that is stopped at any point of its operation holds up the others at most; what comes out in the end is
// complete and in order.
func TestStopAtEachPoint(t *testing.T) {
	for _, op := range []string{"put", "get"} {
		points := playStopped(t, op, 0)
		for n := range points {
			playStopped(t, op, n+1)
		}
		t.Logf("%s: %d points", op, points)
	}
}

// playStopped stops a child at the n-th point of its operation, does some of its own, and lets the child go on. It
// returns how many points the child has passed. With n = 0 the child does not stop.
func playStopped(t *testing.T, op string, n int) int {
	t.Helper()
	q, path := namedQueue[checked](t, 4, Options{}.startingAt(beforeLapWrap(4)+3))
	putChecked(t, q, 1, 1)
	child := proctest.Start(t, roleCrash, path, op, "stop", strconv.Itoa(n))
	child.Expect("ready")
	if n > 0 {
		child.WaitStopped()
	} else {
		child.Expect("done")
	}
	var got []checked
	take := func() {
		for {
			v, err := q.TryGet()
			if err != nil {
				wantErr(t, err, ErrEmpty)
				return
			}
			got = append(got, v)
		}
	}
	for k := range uint64(2) {
		putChecked(t, q, 2+k, 2+k)
		take()
	}
	if n > 0 {
		child.Signal(syscall.SIGCONT)
		child.Expect("done")
	}
	child.WaitOK()
	take()
	want := []checked{messageOf(1), messageOf(99), messageOf(2), messageOf(3)}
	if op == "get" {
		want = []checked{messageOf(2), messageOf(3)}
	}
	points := passed(t, path)
	if !slices.Equal(got, want) {
		t.Fatalf("%s stopped at point %d of %v: got %v", op, n, points, got)
	}
	wantAbandoned(t, q, 0)
	usable(t, q)
	return len(points)
}
