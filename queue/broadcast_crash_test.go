//go:build crashtest && linux

package queue

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// roleCastCrash does operation args[2] on the broadcast of kind args[1] in the segment args[0], and
// is killed, or stopped, in that.
var roleCastCrash = proctest.Register("cast-crash", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := castKinds[args[1]](seg, false, Options{})
	proctest.ExitOn(err)
	acked, err := shm.OpenInt64(seg, "acked")
	proctest.ExitOn(err)
	op := castOperations[args[2]]
	proctest.Armed(func() { proctest.ExitOn(op(b, acked)) })
})

// castOperations are what a process is killed in. Those that put begin with 1, and say what is put.
var castOperations = map[string]func(b castAPI, acked *shm.Int64) error{
	"put": func(b castAPI, acked *shm.Int64) error { // more than the ring holds, so that it waits
		for v := range int64(5) {
			if err := b.put(background, v+1); err != nil {
				return err
			}
			acked.Store(v + 1)
		}
		return nil
	},
	"newest": func(b castAPI, _ *shm.Int64) error { return readFrom(b, FromNewest) },
	"oldest": func(b castAPI, _ *shm.Int64) error { return readFrom(b, FromOldest) },
	"close":  func(b castAPI, _ *shm.Int64) error { return b.close() },
}

// readFrom subscribes, gets or looks at four messages, and leaves.
func readFrom(b castAPI, from Start) error {
	r, err := b.subscribe(from)
	if err != nil {
		return err
	}
	for i := range 4 {
		if i%2 == 0 {
			_, err = r.get(background)
		} else {
			var release func() error
			if _, release, err = r.peek(background); err == nil {
				err = release()
			}
		}
		if err != nil {
			return err
		}
	}
	return r.close()
}

// A process is killed at each point of a put, of a subscription, of gets and looks, and of a close:
// another reader gets all that the dead one said to have put, and all that others put, without a
// gap, and puts go on.
func TestBroadcastCrashSweep(t *testing.T) {
	for op, least := range map[string]int{"put": 15, "newest": 13, "oldest": 13, "close": 2} {
		t.Run(op, func(t *testing.T) {
			eachCast(t, Options{}, func(t *testing.T, kind, _ string, _ castAPI, o Options) {
				proctest.Sweep(t, least, func(c *proctest.Crash) { castCrash(t, c, kind, op, o) })
			})
		})
	}
}

// castCrash plays one death.
func castCrash(t *testing.T, c *proctest.Crash, kind, op string, o Options) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	o.Readers, o.Keep = 2, 1
	b, err := castKinds[kind](seg, true, o.startingAt(^uint64(0)-127))
	wantErr(t, err, nil)
	acked, err := shm.NewInt64(seg, "acked", 0)
	wantErr(t, err, nil)
	r, err := b.subscribe(FromNewest)
	wantErr(t, err, nil)
	defer r.close() // until then it is reachable, and counts
	c.Start(roleCastCrash, path, kind, op)
	got := make(chan int64)
	switch op {
	case "close":
		closed := make(chan error)
		go func() { _, err := r.get(background); closed <- err }()
		c.Wait()
		if err := b.close(); err != nil { // wakes readers that the dead has not woken
			t.Error(err)
		}
		if err := proctest.Ends(t, closed, "a reader is told of the close"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		wantErr(t, b.put(background, 1), ErrClosed)
		wantErr(t, b.reopen(), nil)
		putOnce(t, path, kind, 1)
		if v, err := r.get(background); v != 1 || err != nil {
			t.Error(v, err)
		}
		return
	case "put":
		go func() { got <- readUntilLast(t, r) }()
		c.Wait()
		putOnce(t, path, kind, lastOfAll)
		last := proctest.Ends(t, got, "the reader gets what the next writer puts")
		if last < acked.Load() || last > acked.Load()+1 {
			t.Errorf("%d was put, and %d was the last to come", acked.Load(), last)
		}
		if a := b.stats().Abandoned; a > 1 {
			t.Errorf("%d are abandoned", a)
		}
		return
	}
	go func() { got <- readUntilLast(t, r) }()
	over, puts := make(chan struct{}), make(chan int64)
	go putUntil(t, b, over, puts)
	c.Wait()
	close(over)
	put := proctest.Ends(t, puts, "puts go on when a reader is dead")
	if last := proctest.Ends(t, got, "the reader goes on"); last != put {
		t.Errorf("%d were put, and %d was the last to come", put, last)
	}
	again, err := b.subscribe(FromNewest) // takes the cell of the dead
	wantErr(t, err, nil)
	wantErr(t, again.close(), nil)
	if n := b.stats().Readers; n != 1 {
		t.Errorf("%d readers", n)
	}
}

// putUntil puts 1, 2, 3 … until over is closed, says how many, and puts the last of all.
func putUntil(t *testing.T, b castAPI, over <-chan struct{}, puts chan<- int64) {
	for v := int64(1); ; v++ {
		select {
		case <-over:
			if err := b.put(background, lastOfAll); err != nil {
				t.Error(err)
			}
			puts <- v - 1
			return
		default:
		}
		if err := b.put(background, v); err != nil {
			t.Error(err)
			puts <- v
			return
		}
	}
}

// A writer is killed at each point of its puts, and the next one while it takes over what that has
// left: readers get a run of what each has put, without a gap, and what the third puts.
func TestBroadcastCrashTwice(t *testing.T) {
	eachCast(t, Options{}, func(t *testing.T, kind, _ string, _ castAPI, o Options) {
		turns := 1
		if long {
			turns = 5
		}
		for turn := range turns {
			proctest.Sweep(t, 15, func(c *proctest.Crash) {
				second := 1 + (c.Point+turn)%5
				path := proctest.Dir(t) + "/segment"
				seg, err := shm.Create(path, shm.Options{})
				wantErr(t, err, nil)
				defer seg.Close()
				b, err := castKinds[kind](seg, true, o.startingAt(^uint64(0)-127))
				wantErr(t, err, nil)
				acked, err := shm.NewInt64(seg, "acked", 0)
				wantErr(t, err, nil)
				r, err := b.subscribe(FromNewest)
				wantErr(t, err, nil)
				got := make(chan []int64)
				go func() { got <- runsOf(t, r) }()
				c.Start(roleCastCrash, path, kind, "put")
				c.Wait()
				put := acked.Load()
				next := proctest.CrashAt(t, second)
				next.Start(roleCastCrash, path, kind, "put")
				if next.Wait() {
					t.Errorf("the second victim survives point %d", second)
				}
				putOnce(t, path, kind, lastOfAll)
				runs := proctest.Ends(t, got, "the reader gets what the third writer puts")
				if first := append(runs, 0)[0]; first < put || first > put+1 || len(runs) > 2 {
					t.Errorf("%d was put, and the runs that came end with %v", put, runs)
				}
			})
		}
	})
}

// runsOf gets messages until lastOfAll, which are runs 1, 2, 3 …, and returns the last of each run.
func runsOf(t *testing.T, r castReader) (runs []int64) {
	last := int64(0)
	for {
		v, err := r.get(background)
		switch {
		case err != nil || v != lastOfAll && v != 1 && v != last+1:
			t.Errorf("%d after %d, %v", v, last, err)
			return runs
		case v == 1 && last > 0:
			runs = append(runs, last)
		case v == lastOfAll:
			return append(runs, last)
		}
		last = v
	}
}

// A subscriber is stopped at each point while others put as much as they can, and goes on: it gets
// a run without a gap.
func TestBroadcastStopSweep(t *testing.T) {
	for _, op := range []string{"newest", "oldest"} {
		t.Run(op, func(t *testing.T) {
			eachCast(t, Options{}, func(t *testing.T, kind, _ string, _ castAPI, o Options) {
				proctest.Sweep(t, 10, func(c *proctest.Crash) { castStop(t, c, kind, op, o) })
			})
		})
	}
}

// castStop plays one stop.
func castStop(t *testing.T, c *proctest.Crash, kind, op string, o Options) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	b, err := castKinds[kind](seg, true, o.startingAt(^uint64(0)-127))
	wantErr(t, err, nil)
	for v := range int64(5) {
		wantErr(t, b.put(background, v+1), nil)
	}
	c.Way = proctest.Stops
	child := c.Start(roleCastRun, path, kind, op)
	over, puts := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(puts)
		for v := int64(6); ; v++ {
			select {
			case <-over:
				return
			default:
			}
			if err := b.put(background, v); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	if !c.Wait() {
		before := b.stats().Put
		proctest.Eventually(t, proctest.Hang, func() bool {
			report, err := shmsync.Blocked(seg)
			wantErr(t, err, nil)
			return b.stats().Put > before+20 ||
				slices.ContainsFunc(report.Waits, func(w shmsync.BlockedWait) bool { return w.Role == "put" })
		}, "puts go round the ring, or wait for the stopped reader")
		child.Signal(syscall.SIGCONT)
		child.WaitOK()
	}
	close(over)
	proctest.Ends(t, puts, "puts go on")
}

// roleCastRun does what readFrom does, stopped on the way, and exits with an error when there is a
// gap in what it gets.
var roleCastRun = proctest.Register("cast-run", func(args []string) {
	b := openCast(args[0], args[1], Options{})
	from := map[string]Start{"newest": FromNewest, "oldest": FromOldest}[args[2]]
	proctest.Armed(func() {
		r, err := b.subscribe(from)
		proctest.ExitOn(err)
		last := int64(0)
		for range 6 {
			v, err := r.get(background)
			proctest.ExitOn(err)
			if last != 0 && v != last+1 {
				proctest.ExitOn(fmt.Errorf("%d after %d", v, last))
			}
			last = v
		}
		proctest.ExitOn(r.close())
	})
})
