//go:build crashtest

package queue

import (
	"fmt"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

// roleSPSCCrash does operation args[1] once on the queue in the segment args[0], and meets the
// crash point of a sweep in that.
var roleSPSCCrash = proctest.Register("spsc-crash", func(args []string) {
	q := openSPSC(args[0])
	proctest.Say("ready")
	proctest.Armed(func() { proctest.ExitOn(spscOperations[args[1]](q)) })
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

// An spscScene is what is there when the child begins its operation, and what goes for the
// survivors after its death.
type spscScene struct {
	op       string
	capacity int
	fill     uint64 // messages 1, 2, … in the queue
	// what the test does when the child sleeps, or is dead; may be nil
	during func(t *testing.T, q *SPSC[checked])
	before func(t *testing.T, q *SPSC[checked]) // prepares more; may be nil
	after  func(t *testing.T, q *SPSC[checked], points []string)
	closed bool // the queue is closed at the end
}

// sweep plays the scene once for each point of the operation, with the death of the child there,
// until the child comes through.
func (s spscScene) sweep(t *testing.T) {
	proctest.Sweep(t, 1, func(crash *proctest.Crash) {
		q, path := namedSPSC(t, s.capacity, Options{}.startingAt(^uint64(0)-1))
		filler := reopen(t, path)
		p, err := OpenSPSC[checked](filler, "q", Options{})
		wantErr(t, err, nil)
		spscPut(t, p, 1, s.fill)
		wantErr(t, filler.Close(), nil)
		if s.before != nil {
			s.before(t, q)
		}
		child := crash.Start(roleSPSCCrash, path, s.op)
		child.Expect("ready")
		if s.during != nil {
			asleep.AwaitOrEnd(t, q.o.Seg, 1, child)
			s.during(t, q)
		}
		crash.Wait()
		s.after(t, q, crash.Points())
		if !s.closed {
			spscUsable(t, q)
		}
	})
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

// A close that dies is complete or has not happened; no sleeper sleeps on.
func TestSPSCCrashInClose(t *testing.T) {
	results := make(chan error, 1)
	spscScene{op: "Close", capacity: 2, closed: true, before: func(t *testing.T, q *SPSC[checked]) {
		go func() { _, err := q.Get(background); results <- err }()
		asleep.Await(t, q.o.Seg, 1)
	}, after: func(t *testing.T, q *SPSC[checked], points []string) {
		wantErr(t, proctest.Ends(t, results, "the consumer goes on"), ErrClosed)
		wantErr(t, q.TryPut(messageOf(1)), ErrClosed)
	}}.sweep(t)
}

// The successor of a dead producer dies, too: what the first left may not be counted then.
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
