//go:build linux

package shmsync_test

import (
	"testing"
)

// The runner is killed: one of the waiters, here and in other processes, runs the function again,
// and the others find it done. So does a later caller.
func TestOnceRunnerDies(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		for range times(3) {
			seg := newSegment(t)
			o, runs := newOnce(t, seg), newRuns(t, seg)
			victim, other := startOnceAgent(t, seg), startOnceAgent(t, seg)
			victim.Send("stall")
			victim.Expect("running")
			got := make(chan error)
			do := func() {
				go func() { got <- o.Do(background, func() error { runs.Add(1); return nil }) }()
				other.Send("succeed")
			}
			if waiting {
				do()
				asleepOn(t, seg, "o", 2)
			}
			victim.Kill()
			if !waiting {
				do()
			}
			wantErr(t, "who waits", <-got, nil)
			other.Expect("ok")
			if n := runs.Load(); n != 2 || !o.Done() {
				t.Errorf("%d functions were begun, want that of the dead and one more; done %v", n, o.Done())
			}
			other.Kill()
		}
	}
}

// A waiter dies, and no other process notices. The runner dies after it has finished, too.
func TestOnceOthersDie(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	runner, waiter := startOnceAgent(t, seg), startOnceAgent(t, seg)
	runner.Send("ask")
	runner.Expect("running")
	waiter.Send("succeed")
	asleepOn(t, seg, "o", 1)
	waiter.Kill()
	runner.Send("go on")
	runner.Expect("ok")
	runner.Kill()
	wantErr(t, "who comes later", o.Do(background, func() error { return errOnce }), nil)
}
