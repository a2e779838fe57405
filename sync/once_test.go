//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newOnce(t testing.TB, seg *shm.Segment) *shmsync.Once {
	t.Helper()
	o, err := shmsync.NewOnce(seg, "o", shmsync.OnceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var errOnce = errors.New("the function cannot")

// onceFunctions are what agents give to Do. Each counts that it was begun.
var onceFunctions = map[string]func() error{
	"succeed": func() error { return nil },
	"fail":    func() error { return errOnce },
	"stall":   func() error { proctest.Say("running"); select {} },
	"ask":     func() error { proctest.Say("running"); proctest.Hear(); return nil },
}

// once-agent: SEGMENT. Orders: the name of a function, for a Do; done; close.
var onceAgent = proctest.Register("once-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	o, err := shmsync.NewOnce(seg, "o", shmsync.OnceOptions{})
	must(err)
	runs, err := shm.NewUint32(seg, "runs", 0)
	must(err)
	proctest.Say("ready")
	for {
		switch order := proctest.Hear(); order {
		case "done":
			proctest.Say("%v", o.Done())
		case "close":
			proctest.Say("%s", verdict(seg.Close()))
		default:
			err := o.Do(background, func() error { runs.Add(1); return onceFunctions[order]() })
			proctest.Say("%s", verdict(err))
		}
	}
})

func startOnceAgent(t testing.TB, seg *shm.Segment) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, onceAgent, seg.Path())
	c.Expect("ready")
	return c
}

func newRuns(t testing.TB, seg *shm.Segment) *shm.Uint32 {
	t.Helper()
	runs, err := shm.NewUint32(seg, "runs", 0)
	must(err)
	return runs
}

// A function runs in one of the processes; the others, and later ones, find it done.
func TestOnce(t *testing.T) {
	seg := newSegment(t)
	o, runs := newOnce(t, seg), newRuns(t, seg)
	agents := []*proctest.Child{startOnceAgent(t, seg), startOnceAgent(t, seg), startOnceAgent(t, seg)}
	if o.Done() || o.Name() != "o" {
		t.Errorf("a new Once: done %v, name %q", o.Done(), o.Name())
	}
	told(t, agents[0], "fail", errOnce.Error())
	told(t, agents[1], "done", "false")
	agents[0].Send("ask")
	agents[0].Expect("running")
	var err error
	waiter := proctest.MustBlock(t, func() { err = o.Do(background, func() error { return errOnce }) })
	agents[1].Send("fail")
	agents[0].Send("go on")
	agents[0].Expect("ok")
	agents[1].Expect("ok")
	<-waiter
	wantErr(t, "who has waited", err, nil)
	told(t, agents[2], "fail", "ok")
	told(t, agents[2], "done", "true")
	wantErr(t, "with no function, when it is done", o.Do(background, nil), nil)
	if n := runs.Load(); n != 2 || !o.Done() {
		t.Errorf("%d functions were begun, want one that failed and one that did not; done %v", n, o.Done())
	}
	for _, c := range agents {
		c.Kill()
	}
}

// A function that fails, panics or ends its goroutine does so where it was given, and leaves the
// turn to the next.
func TestOnceFails(t *testing.T) {
	o := newOnce(t, newSegment(t))
	wantErr(t, "no function", o.Do(background, nil), fs.ErrInvalid)
	wantErr(t, "one that fails", o.Do(background, func() error { return errOnce }), errOnce)
	wantPanic(t, "Do", "one that panics", func() { o.Do(background, func() error { panic("one that panics") }) })
	var wg sync.WaitGroup
	wg.Go(func() { o.Do(background, func() error { runtime.Goexit(); return nil }) })
	wg.Wait()
	if o.Done() {
		t.Error("done")
	}
}

// Contexts: a waiter gives up with the cause. No caller waits for a turn that is free, or when the
// function was run.
func TestOnceContext(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	runner := startOnceAgent(t, seg)
	runner.Send("ask")
	runner.Expect("running")
	//clock: the time-out is the subject
	short, cancel := context.WithTimeoutCause(background, 20*time.Millisecond, errOnce)
	defer cancel()
	began := time.Now()
	wantErr(t, "who gives up", o.Do(short, func() error { return nil }), errOnce)
	if took := time.Since(began); took < 20*time.Millisecond { //clock: at least so long
		t.Errorf("it gave up after %v", took)
	}
	runner.Kill()
	wantErr(t, "a free turn", func() error {
		for { // the death has to be noticed first
			if err := o.Do(short, func() error { return nil }); !errors.Is(err, errOnce) || time.Since(began) > hangs {
				return err
			}
		}
	}(), nil)
	wantErr(t, "when it is done", o.Do(short, nil), nil)
}
