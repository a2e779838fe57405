//go:build linux

package shmsync_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
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

// A function that fails, panics or ends its goroutine does so where it was given, and leaves the turn to the next.
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

// Contexts: who waits gives up with the cause. Nobody waits for a turn that is free, nor when it is done.
func TestOnceContext(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	runner := startOnceAgent(t, seg)
	runner.Send("ask")
	runner.Expect("running")
	short, cancel := context.WithTimeoutCause(background, 20*time.Millisecond, errOnce)
	defer cancel()
	began := time.Now()
	wantErr(t, "who gives up", o.Do(short, func() error { return nil }), errOnce)
	if took := time.Since(began); took < 20*time.Millisecond || took > soon {
		t.Errorf("it gave up after %v", took)
	}
	runner.Kill()
	wantErr(t, "a free turn", func() error {
		for { // the death has to be noticed first
			if err := o.Do(short, func() error { return nil }); !errors.Is(err, errOnce) || time.Since(began) > 10*soon {
				return err
			}
		}
	}(), nil)
	wantErr(t, "when it is done", o.Do(short, nil), nil)
}

// The runner is killed: one of those who wait, here and in other processes, runs it again, the others find it done. So
// does one who comes later.
func TestOnceRunnerDies(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		var took []time.Duration
		for range int(longer(6)) {
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
				time.Sleep(5 * time.Millisecond)
			}
			began := time.Now()
			victim.Kill()
			if !waiting {
				do()
			}
			wantErr(t, "who waits", <-got, nil)
			took = append(took, time.Since(began))
			other.Expect("ok")
			if n := runs.Load(); n != 2 || !o.Done() {
				t.Errorf("%d functions were begun, want that of the dead and one more; done %v", n, o.Done())
			}
			other.Kill()
		}
		slices.Sort(took)
		t.Logf("waiting %v: replaced after %v (median), %v (most)", waiting, took[len(took)/2], took[len(took)-1])
		if most := took[len(took)-1]; most > soon {
			t.Errorf("the others needed %v", most)
		}
	}
}

// A waiter dies: nobody notices. The runner dies after it has finished, too.
func TestOnceOthersDie(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	runner, waiter := startOnceAgent(t, seg), startOnceAgent(t, seg)
	runner.Send("ask")
	runner.Expect("running")
	waiter.Send("succeed")
	time.Sleep(5 * time.Millisecond)
	waiter.Kill()
	runner.Send("go on")
	runner.Expect("ok")
	runner.Kill()
	wantErr(t, "who comes later", o.Do(background, func() error { return errOnce }), nil)
}

// A process that closes the segment while it runs the function, for longer than Close waits, is replaced, too.
func TestOnceClosed(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	mine := openAgain(t, seg)
	c := newOnce(t, mine)
	running, finish, got := make(chan bool), make(chan bool), make(chan error)
	go func() {
		got <- c.Do(background, func() error { running <- true; <-finish; return nil })
	}()
	<-running
	waiter := make(chan error)
	go func() { waiter <- c.Do(background, func() error { return nil }) }()
	time.Sleep(5 * time.Millisecond)
	var held *shm.HeldError
	if err := mine.Close(); !errors.As(err, &held) || !slices.Equal(held.Objects, []string{"o"}) {
		t.Errorf("close: %v", err)
	}
	wantErr(t, "who waited there", <-waiter, shmsync.ErrClosed)
	wantErr(t, "who comes elsewhere", o.Do(background, func() error { return nil }), nil)
	finish <- true
	wantErr(t, "who ran it in vain", <-got, shmsync.ErrClosed)
	_, err := shmsync.OpenOnce(mine, "o", shmsync.OnceOptions{})
	wantErr(t, "open afterwards", err, shmsync.ErrClosed)

	again := openAgain(t, seg)
	done, fresh := newOnce(t, again), func() *shmsync.Once {
		o, err := shmsync.NewOnce(again, "fresh", shmsync.OnceOptions{})
		must(err)
		return o
	}()
	wantErr(t, "close", again.Close(), nil)
	wantErr(t, "what was done", done.Do(background, nil), nil)
	wantErr(t, "what was not", fresh.Do(background, func() error { return nil }), shmsync.ErrClosed)
	if !done.Done() || fresh.Done() {
		t.Error("what is done changes with Close")
	}
}

// A32: new, open, and new once more, and what is of another kind; as bytes.
func TestOnceHandles(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenOnce(seg, "o", shmsync.OnceOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	o := newOnce(t, seg)
	again, err := shmsync.OpenOnce(seg, "o", shmsync.OnceOptions{})
	wantErr(t, "open what is there", err, nil)
	wantErr(t, "do", o.Do(background, func() error { return nil }), nil)
	if !again.Done() || !newOnce(t, seg).Done() {
		t.Error("handles of one Once differ")
	}
	newMutex(t, seg, "m")
	if _, err := shmsync.NewOnce(seg, "m", shmsync.OnceOptions{}); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("make what is a Mutex: %v", err)
	}
	if _, err := shmsync.NewOnce(seg, "", shmsync.OnceOptions{}); err == nil {
		t.Error("a Once without a name was made")
	}
	b, err := o.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	c := proctest.Start(t, onceUnmarshaler, base64.StdEncoding.EncodeToString(b))
	c.Expect("o true")
	c.WaitOK()
	var m shmsync.Mutex
	if err := m.UnmarshalBinary(b); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a Once as a Mutex: %v", err)
	}
}

var onceUnmarshaler = proctest.Register("once-unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var o shmsync.Once
	must(o.UnmarshalBinary(b))
	proctest.Say("%s %v", o.Name(), o.Done())
})

// What a function writes to an ordinary variable is seen after Do, and after Done. The race detector is silent.
func TestOnceOrders(t *testing.T) {
	for range 50 {
		seg := newSegment(t)
		handles := []*shmsync.Once{newOnce(t, seg), newOnce(t, seg)}
		n := 0
		var wg sync.WaitGroup
		for i := range 6 {
			o := handles[i%2]
			wg.Go(func() {
				if i == 5 {
					for !o.Done() {
						time.Sleep(time.Microsecond)
					}
				} else {
					must(o.Do(background, func() error { n++; return nil }))
				}
				if n != 1 {
					t.Errorf("%d after the Do", n)
				}
			})
		}
		wg.Wait()
	}
}

func TestOnceNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	o := newOnce(t, newSegment(t))
	f := func() error { return errOnce }
	for _, what := range []string{"to run the function", "when it is done"} {
		if n := testing.AllocsPerRun(1000, func() { o.Do(background, f); o.Done() }); n != 0 {
			t.Errorf("%v allocations %s", n, what)
		}
		f = func() error { return nil }
	}
}

// Whatever the bytes are, no call panics, faults, or outlasts its context.
func TestOnceGarbage(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	mem := payloadOf(t, seg, "o", segment.KindOnce)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		scribble := func() {
			for i := range mem {
				if mem[i] = byte(random.Uint32()); round%2 == 0 {
					mem[i] = 0xff
				}
			}
		}
		scribble()
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		o.Do(ctx, func() error { return nil })
		o.Done()
		cancel()
		clear(mem)
		o.Do(background, func() error { scribble(); return nil })
	}
	clear(mem)
	mem[0] = 2 // neither done nor not
	wantErr(t, "do", o.Do(background, func() error { return nil }), nil)
}

// once-crowd: SEGMENT. 10,000 goroutines do what another process is doing, half of them until they are told.
var onceCrowded = proctest.Register("once-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	o, err := shmsync.NewOnce(seg, "o", shmsync.OnceOptions{})
	must(err)
	ctx, cancel := context.WithCancel(background)
	var wg sync.WaitGroup
	var began, done, canceled atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			mine := background
			if i%2 == 1 {
				mine = ctx
			}
			if err := o.Do(mine, func() error { panic("run again") }); err == nil {
				done.Add(1)
			} else if errors.Is(err, context.Canceled) {
				canceled.Add(1)
			} else {
				panic(err)
			}
		})
	}
	for began.Load() < crowd {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	proctest.Say("%d", threads())
	proctest.Hear()
	cancel()
	for canceled.Load() < crowd/2 {
		time.Sleep(time.Millisecond)
	}
	proctest.Say("canceled")
	wg.Wait()
	proctest.Say("%d %d", done.Load(), threads())
})

func TestOnceCrowd(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	running, finish, got := make(chan bool), make(chan bool), make(chan error)
	go func() { got <- o.Do(background, func() error { running <- true; <-finish; return nil }) }()
	<-running
	c := proctest.Start(t, onceCrowded, seg.Path())
	var n, m int
	if fmt.Sscan(c.Line(), &n); n < 1 || n > 16 {
		t.Errorf("while all wait the process has %d threads", n)
	}
	c.Send("cancel")
	c.Expect("canceled")
	finish <- true
	wantErr(t, "do", <-got, nil)
	if fmt.Sscan(strings.TrimSpace(c.Line()), &n, &m); n != crowd/2 || m > 16 {
		t.Errorf("%d found it done, with %d threads", n, m)
	}
	c.WaitOK()
}

// Several programs need a table, which one of them builds; any of them may be killed while it does so.
func ExampleOnce() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	once, err := shmsync.NewOnce(seg, "squares", shmsync.OnceOptions{})
	if err != nil {
		log.Fatal(err)
	}
	squares, err := shm.NewRawArray[int64](seg, "table", 5)
	if err != nil {
		log.Fatal(err)
	}
	build := func() error {
		fmt.Println("building")
		for i := range squares.Slice() {
			squares.Slice()[i] = int64(i * i)
		}
		return nil
	}
	for range 2 { // in as many processes
		if err := once.Do(context.Background(), build); err != nil {
			log.Fatal(err)
		}
		fmt.Println(squares.Slice())
	}
	// Output:
	// building
	// [0 1 4 9 16]
	// [0 1 4 9 16]
}
