//go:build crashtest

package queue

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleSPSCCrash does operation args[1] once on the queue in the segment args[0], is killed at its args[2]-th point, and
// writes the name of each point that it passes to a file beside the segment.
var roleSPSCCrash = proctest.Register("spsc-crash", func(args []string) {
	q := openSPSC(args[0])
	n, err := strconv.Atoi(args[2])
	exitOn(err)
	f, err := os.OpenFile(filepath.Dir(args[0])+"/points", os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	exitOn(err)
	crashpoint.Trace(func(name string) { fmt.Fprintln(f, name) })
	proctest.Say("ready")
	crashpoint.Arm(n)
	exitOn(spscOperations[args[1]](q))
	crashpoint.Disarm()
	crashpoint.Trace(nil)
	proctest.Say("done")
})

var spscOperations = map[string]func(q *SPSC[checked]) error{
	"Put":    func(q *SPSC[checked]) error { return q.Put(background, messageOf(99)) },
	"TryPut": func(q *SPSC[checked]) error { return q.TryPut(messageOf(99)) },
	"PutBatch": func(q *SPSC[checked]) error {
		_, err := q.PutBatch(background, []checked{messageOf(99), messageOf(100)})
		return err
	},
	"Commit": func(q *SPSC[checked]) error {
		r, err := q.Reserve(background)
		if err != nil {
			return err
		}
		*r.Value = messageOf(99)
		return r.Commit()
	},
	"Abort": func(q *SPSC[checked]) error {
		r, err := q.Reserve(background)
		if err != nil {
			return err
		}
		*r.Value = messageOf(99)
		return r.Abort()
	},
	"Get":    func(q *SPSC[checked]) error { return spscCheck(q.Get(background)) },
	"TryGet": func(q *SPSC[checked]) error { return spscCheck(q.TryGet()) },
	"GetBatch": func(q *SPSC[checked]) error {
		vs := make([]checked, 2)
		n, err := q.GetBatch(background, vs)
		if err == nil && n != 2 {
			err = fmt.Errorf("got %d messages", n)
		}
		return err
	},
	"Release": func(q *SPSC[checked]) error {
		p, err := q.Peek(background)
		if err != nil {
			return err
		}
		if err := p.Value.check(); err != nil {
			return err
		}
		return p.Release()
	},
	"Close": func(q *SPSC[checked]) error { return q.Close() },
}

func spscCheck(v checked, err error) error {
	if err != nil {
		return err
	}
	return v.check()
}

// An spscScene is what is there when the child begins its operation, and what goes for the survivors after its death.
type spscScene struct {
	op       string
	capacity int
	fill     uint64                               // messages 1, 2, … in the queue
	during   func(t *testing.T, q *SPSC[checked]) // what the test does when the child has begun; may be nil
	before   func(t *testing.T, q *SPSC[checked]) // prepares more; may be nil
	after    func(t *testing.T, q *SPSC[checked], points []string)
	closed   bool // the queue is closed at the end
}

// sweep plays the scene once for each point of the operation, with the death of the child there, until the child comes through.
func (s spscScene) sweep(t *testing.T) {
	all := map[string]bool{}
	for n := 1; ; n++ {
		q, path := namedSPSC(t, s.capacity, Options{}.startingAt(^uint64(0)-1))
		filler := reopen(t, path)
		p, err := OpenSPSC[checked](filler, "q", Options{})
		wantErr(t, err, nil)
		spscPut(t, p, 1, s.fill)
		wantErr(t, filler.Close(), nil)
		if s.before != nil {
			s.before(t, q)
		}
		child := proctest.Start(t, roleSPSCCrash, path, s.op, strconv.Itoa(n))
		child.Expect("ready")
		if s.during != nil {
			s.during(t, q)
		}
		state := child.Wait()
		points := passed(t, path)
		survived := state.Success()
		if !survived {
			diedByKill(t, state)
		}
		for _, p := range points {
			all[p] = true
		}
		began := time.Now()
		s.after(t, q, points)
		if !s.closed {
			spscUsable(t, q)
		}
		if took := time.Since(began); took > soon {
			t.Errorf("the survivors needed %v", took)
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

// fate says what has become of the messages that a put with these points began.
func fate(points []string) (come, abandoned bool) {
	switch {
	case slices.Contains(points, "spsc.published"):
		return true, false
	case slices.Contains(points, "spsc.aborted"):
		return false, false
	}
	return false, slices.Contains(points, "spsc.begun")
}

func count(yes bool, n uint64) uint64 {
	if yes {
		return n
	}
	return 0
}

func TestSPSCCrashInPut(t *testing.T) {
	for op, messages := range map[string]uint64{"Put": 1, "TryPut": 1, "PutBatch": 2, "Commit": 1, "Abort": 1} {
		t.Run(op, func(t *testing.T) {
			spscScene{op: op, capacity: 8, fill: 2, after: func(t *testing.T, q *SPSC[checked], points []string) {
				come, abandoned := fate(points)
				if op == "Abort" && come {
					t.Error("aborted, and published")
				}
				spscPut(t, q, 3, 3)
				spscGet(t, q, 1, 2)
				if come {
					spscGet(t, q, 99, 98+messages)
				}
				spscGet(t, q, 3, 3)
				spscAbandoned(t, q, count(abandoned, messages))
			}}.sweep(t)
		})
	}
}

func TestSPSCCrashInPutThatWaits(t *testing.T) {
	for op, messages := range map[string]uint64{"Put": 1, "PutBatch": 2, "Commit": 1} {
		t.Run(op, func(t *testing.T) {
			spscScene{op: op, capacity: 2, fill: 2, during: func(t *testing.T, q *SPSC[checked]) {
				time.Sleep(10 * time.Millisecond)
				spscGet(t, q, 1, 2)
			}, after: func(t *testing.T, q *SPSC[checked], points []string) {
				published := uint64(0)
				for _, p := range points {
					published += count(p == "spsc.published", 1)
				}
				come, abandoned := fate(points)
				if op == "PutBatch" { // in one group or in two
					n := uint64(0)
					for ; ; n++ {
						v, err := q.TryGet()
						if err != nil || v != messageOf(99+n) {
							wantErr(t, err, ErrEmpty)
							break
						}
					}
					if n > messages || published > 0 && n == 0 || published == 0 && n > 0 {
						t.Errorf("%d messages after %v", n, points)
					}
					return
				}
				if come {
					spscGet(t, q, 99, 99)
				}
				_, err := q.TryGet()
				wantErr(t, err, ErrEmpty)
				spscUsable(t, q) // takes the role
				spscAbandoned(t, q, count(abandoned, 1))
			}}.sweep(t)
		})
	}
}

// The put that dies has to wake a consumer, which goes on in any case when there is a message again.
func TestSPSCCrashInPutWhileTheConsumerSleeps(t *testing.T) {
	results := make(chan checked, 1)
	spscScene{op: "Put", capacity: 4, before: func(t *testing.T, q *SPSC[checked]) {
		go func() {
			v, err := q.Get(background)
			if err != nil {
				t.Error(err)
			}
			results <- v
		}()
		time.Sleep(10 * time.Millisecond)
	}, after: func(t *testing.T, q *SPSC[checked], points []string) {
		come, abandoned := fate(points)
		want := uint64(99)
		if !come {
			spscPut(t, q, 3, 3)
			want = 3
		}
		select {
		case v := <-results:
			if v != messageOf(want) {
				t.Errorf("got %v, want message %d", v, want)
			}
		case <-time.After(soon):
			t.Fatal("the consumer sleeps on")
		}
		spscUsable(t, q)
		spscAbandoned(t, q, count(abandoned, 1))
	}}.sweep(t)
}

func TestSPSCCrashInGet(t *testing.T) {
	for op, messages := range map[string]uint64{"Get": 1, "TryGet": 1, "GetBatch": 2, "Release": 1} {
		t.Run(op, func(t *testing.T) {
			spscScene{op: op, capacity: 4, fill: 4, after: func(t *testing.T, q *SPSC[checked], points []string) {
				gone := count(slices.Contains(points, "spsc.read"), messages)
				spscGet(t, q, 1+gone, 4)
				spscAbandoned(t, q, 0)
			}}.sweep(t)
		})
	}
}

// The get that dies waits for a message, and is woken or not.
func TestSPSCCrashInGetThatWaits(t *testing.T) {
	for op, messages := range map[string]uint64{"Get": 1, "Release": 1} {
		t.Run(op, func(t *testing.T) {
			spscScene{op: op, capacity: 2, during: func(t *testing.T, q *SPSC[checked]) {
				time.Sleep(10 * time.Millisecond)
				spscPut(t, q, 1, 2)
			}, after: func(t *testing.T, q *SPSC[checked], points []string) {
				gone := count(slices.Contains(points, "spsc.read"), messages)
				spscGet(t, q, 1+gone, 2)
				spscAbandoned(t, q, 0)
			}}.sweep(t)
		})
	}
}

// The get that dies has to wake a producer.
func TestSPSCCrashInGetWhileTheProducerSleeps(t *testing.T) {
	results := make(chan error, 1)
	spscScene{op: "Get", capacity: 2, fill: 2, before: func(t *testing.T, q *SPSC[checked]) {
		go func() { results <- q.Put(background, messageOf(3)) }()
		time.Sleep(10 * time.Millisecond)
	}, after: func(t *testing.T, q *SPSC[checked], points []string) {
		if !slices.Contains(points, "spsc.read") {
			spscGet(t, q, 1, 1)
		}
		select {
		case err := <-results:
			wantErr(t, err, nil)
		case <-time.After(soon):
			t.Fatal("the producer sleeps on")
		}
		spscGet(t, q, 2, 3)
	}}.sweep(t)
}

// A close that dies is complete or has not happened; no sleeper sleeps on.
func TestSPSCCrashInClose(t *testing.T) {
	results := make(chan error, 1)
	spscScene{op: "Close", capacity: 2, closed: true, before: func(t *testing.T, q *SPSC[checked]) {
		go func() { _, err := q.Get(background); results <- err }()
		time.Sleep(10 * time.Millisecond)
	}, after: func(t *testing.T, q *SPSC[checked], points []string) {
		select {
		case err := <-results:
			wantErr(t, err, ErrClosed)
		case <-time.After(soon):
			t.Fatal("the consumer sleeps on")
		}
		wantErr(t, q.TryPut(messageOf(1)), ErrClosed)
	}}.sweep(t)
}

// Who takes over from a dead producer dies, too: what the first left may not be counted then.
func TestSPSCCrashOfWhoTakesOver(t *testing.T) {
	spscScene{op: "Put", capacity: 4, before: func(t *testing.T, q *SPSC[checked]) {
		child := proctest.Start(t, roleSPSC, q.o.Seg.Path(), "put")
		child.Expect("in the middle")
		kill(t, child)
		spscGet(t, q, 1, 1)
	}, after: func(t *testing.T, q *SPSC[checked], points []string) {
		come, abandoned := fate(points)
		spscPut(t, q, 3, 3)
		if come {
			spscGet(t, q, 99, 99)
		}
		spscGet(t, q, 3, 3)
		want := 1 + count(abandoned, 1)
		if points[len(points)-1] == "spsc.forgotten" {
			want-- // killed between the two
		}
		spscAbandoned(t, q, want)
	}}.sweep(t)
}

// A close of the segment that comes in the middle of an operation waits for it: what has returned nil has happened, and only that.
func TestSPSCSegmentClosedAtEachPoint(t *testing.T) {
	for _, point := range []string{"spsc.begun", "spsc.written", "spsc.copied", "spsc.published", "spsc.read"} {
		for _, op := range []string{"Put", "Commit", "PutBatch", "Get", "Release", "GetBatch"} {
			t.Run(op+"/"+point, func(t *testing.T) { closeAtPoint(t, op, point) })
		}
	}
}

func closeAtPoint(t *testing.T, op, point string) {
	q, path := namedSPSC(t, 4, Options{})
	other := reopen(t, path)
	q2, err := OpenSPSC[checked](other, "q", Options{})
	wantErr(t, err, nil)
	puts := op == "Put" || op == "Commit" || op == "PutBatch"
	if !puts {
		spscPut(t, q2, 1, 3)
	}
	closed := make(chan error, 1)
	crashpoint.Trace(func(name string) {
		if name == point {
			crashpoint.Trace(nil)
			go func() { closed <- q.o.Seg.Close() }()
			time.Sleep(20 * time.Millisecond)
		}
	})
	defer crashpoint.Trace(nil)
	err = spscOperations[op](q)
	if (point == "spsc.copied" || point == "spsc.read") == puts {
		return // the operation does not pass this point
	}
	wantErr(t, <-closed, nil)
	messages := uint64(1)
	if op == "PutBatch" || op == "GetBatch" {
		messages = 2
	}
	if err != nil {
		wantErr(t, err, shm.ErrClosed)
		messages = 0
	}
	if puts {
		spscGet(t, q2, 99, 98+messages)
	} else {
		spscGet(t, q2, 1+messages, 3)
	}
	_, err = q2.TryGet()
	wantErr(t, err, ErrEmpty)
	spscUsable(t, q2)
	spscAbandoned(t, q2, 0)
}
