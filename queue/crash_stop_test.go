//go:build crashtest

package queue

import (
	"slices"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A process that is stopped at any point of its operation holds up the others at most; what comes
// out in the end is complete and in order.
func TestStopAtEachPoint(t *testing.T) {
	for _, op := range []string{"put", "get"} {
		proctest.Sweep(t, 1, func(p *proctest.Crash) { playStopped(t, p, op) })
	}
}

// playStopped stops a child at the n-th point of its operation, does some of its own, and lets the
// child go on. It returns how many points the child has passed. With n = 0 the child does not stop.
func playStopped(t *testing.T, p *proctest.Crash, op string) {
	t.Helper()
	q, path := namedQueue[checked](t, 4, Options{}.startingAt(beforeLapWrap(4)+3))
	putChecked(t, q, 1, 1)
	p.Way = proctest.Stops
	child := p.Start(roleCrash, path, op)
	child.Expect("ready")
	completed := p.Wait()
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
	if !completed {
		child.Signal(syscall.SIGCONT)
	}
	child.Expect("done")
	child.WaitOK()
	take()
	want := []checked{messageOf(1), messageOf(99), messageOf(2), messageOf(3)}
	if op == "get" {
		want = []checked{messageOf(2), messageOf(3)}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s stopped at point %v: got %v", op, p, got)
	}
	wantAbandoned(t, q, 0)
	usable(t, q)
}
