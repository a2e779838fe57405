// Package asleep lets a test wait until other goroutines or processes sleep, so that it does not
// have to guess how long that takes, and counts what it costs two processes to sleep for each
// other.
package asleep

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// Await waits until n or more waits of all processes sleep in the segment, or are on their last
// steps to that. An event after it returns has to wake them. The goroutines of a process that
// wait for the same object count as one. seg is a *shm.Segment, or a *segment.Segment of the layer
// below.
func Await(t testing.TB, seg any, n int) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool { return count(t, seg, everything) >= n }, fmt.Sprintf("%d waits sleep", n))
}

// AwaitFor is [Await] for the waits for one object.
func AwaitFor(t testing.TB, seg any, object string, n int) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		return count(t, seg, func(s *segment.Segment, p lock.Wait) bool {
			o, ok := s.Awaited(p.Target)
			return ok && o.Name == object
		}) >= n
	}, fmt.Sprintf("%d waits for %s sleep", n, object))
}

// AwaitIn is [Await] for the waits of one process.
func AwaitIn(t testing.TB, seg any, pid, n int) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		return count(t, seg, func(s *segment.Segment, p lock.Wait) bool {
			who, ok := s.Table().Info(p.Owner)
			return ok && who.PID == pid
		}) >= n
	}, fmt.Sprintf("%d waits in process %d sleep", n, pid))
}

// AwaitOrEnd is [Await] for a child that may end instead, as it does where a test kills it at any
// point.
func AwaitOrEnd(t testing.TB, seg any, n int, child *proctest.Child) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		return child.Ended() || count(t, seg, everything) >= n
	}, fmt.Sprintf("%d waits sleep, or the child ends", n))
}

func everything(*segment.Segment, lock.Wait) bool { return true }

// count returns the number of waits in the segment that match. A wait that found no place on the
// list matches always.
func count(t testing.TB, seg any, kind func(*segment.Segment, lock.Wait) bool) (n int) {
	t.Helper()
	s, ok := seg.(*segment.Segment)
	if outer, is := seg.(*shm.Segment); is {
		s, ok = segment.Of(outer), true
	}
	if !ok || s.Closed() {
		t.Fatalf("%T is no open segment", seg)
	}
	unlisted := s.Party().Waits.All(func(p lock.Wait) bool {
		if kind(s, p) {
			n++
		}
		return true
	})
	return n + unlisted
}
