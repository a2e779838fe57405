//go:build crashtest

package queue

import (
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

// roleCrash does operation args[1] once on the queue in the segment args[0], and meets the crash
// point of a sweep in that.
var roleCrash = proctest.Register("crash", func(args []string) {
	q := openFor(args[0])
	proctest.Say("ready")
	proctest.Armed(func() {
		switch args[1] {
		case "put":
			proctest.ExitOn(q.Put(background, messageOf(99)))
		case "get":
			v, err := q.Get(background)
			proctest.ExitOn(err)
			proctest.ExitOn(v.check())
		case "close":
			proctest.ExitOn(q.Close())
		default:
			proctest.ExitOn(operations[args[1]](q))
		}
	})
	proctest.Say("done")
})

// A scene is what is there when the child begins its operation, and what goes for the survivors
// after its death.
type scene struct {
	op       string
	capacity int
	joinable bool
	fill     uint64                                             // messages 1, 2, … in the queue
	before   func(t *testing.T, q *Queue[checked], path string) // prepares more; may be nil
	// what the test does when the child sleeps, or is dead; may be nil
	during func(t *testing.T, q *Queue[checked])
	after  func(t *testing.T, q *Queue[checked], points []string)
}

// sweep plays the scene once for each point of the operation, with the death of the child there,
// until the child comes through.
func sweep(t *testing.T, s scene) {
	proctest.Sweep(t, 1, func(p *proctest.Crash) {
		q, path := namedQueue[checked](t, s.capacity, Options{Joinable: s.joinable}.startingAt(beforeLapWrap(uint64(s.capacity))+uint64(s.capacity)-1))
		putChecked(t, q, 1, s.fill)
		if s.before != nil {
			s.before(t, q, path)
		}
		child := p.Start(roleCrash, path, s.op)
		child.Expect("ready")
		if s.during != nil {
			asleep.AwaitOrEnd(t, q.o.Seg, 1, child)
			s.during(t, q)
		}
		survived := p.Wait()
		points := p.Points()
		if !survived && len(points) != p.Point {
			t.Fatalf("%d points were passed; crash point %v", len(points), p)
		}
		s.after(t, q, points)
		usable(t, q)
	})
}

// drained takes a step as a consumer, so that what the dead have left is seen, and checks that
// there is no message.
func drained(t *testing.T, q *Queue[checked]) {
	t.Helper()
	_, err := q.TryGet()
	wantErr(t, err, ErrEmpty)
}
