//go:build linux

package wait

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
)

var (
	roleTimed = proctest.Register("timed", timed)
	roleParks = proctest.Register("parks", parks)
)

// A reason for which a Park ends.
type reason struct {
	name  string
	limit time.Duration
	least time.Duration // how long the Park must last
	cause func(word *uint32, cancel context.CancelFunc, c *Closer)
	ahead bool // the cause comes before the Park
	timed bool // also where the kernel waits for one word only, whichever the word is
}

var reasons = []reason{
	{name: "change and wake", cause: func(w *uint32, _ context.CancelFunc, _ *Closer) { change(w) }, timed: true},
	{name: "wake", cause: func(w *uint32, _ context.CancelFunc, _ *Closer) { wakeOne(w) }},
	{name: "cancel", cause: func(_ *uint32, cancel context.CancelFunc, _ *Closer) { cancel() }, timed: true},
	{name: "close", cause: func(_ *uint32, _ context.CancelFunc, c *Closer) { c.Close() }, timed: true},
	//clock: the limit is the subject
	{name: "limit", limit: 30 * time.Millisecond, least: 30 * time.Millisecond, timed: true},
	{name: "no time", limit: -1, timed: true},
	{name: "changed before", cause: func(w *uint32, _ context.CancelFunc, _ *Closer) { change(w) }, ahead: true, timed: true},
	{name: "cancelled before", cause: func(_ *uint32, cancel context.CancelFunc, _ *Closer) { cancel() }, ahead: true, timed: true},
	{name: "closed before", cause: func(_ *uint32, _ context.CancelFunc, c *Closer) { c.Close() }, ahead: true, timed: true},
}

// wakeOne wakes a sleeper without changing the word, once there is one.
func wakeOne(word *uint32) {
	for futex.Wake(word, 1) == 0 {
		proctest.Stagger(20 * time.Microsecond) // between two looks
	}
}

// check parks for one reason on n words, of which the i-th is the one that matters, and returns
// what is wrong.
func (r reason) check(n, i int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := NewCloser()
	values := make([]uint32, n)
	var words []futex.Word
	for i := range values {
		words = append(words, futex.Word{Addr: &values[i]})
	}
	limit := r.limit
	if limit == 0 {
		limit = time.Hour
	}
	if r.ahead {
		r.cause(&values[i], cancel, c)
	}
	before := parked()
	done := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(done)
		Park(ctx, c, limit, words...)
	}()
	if !r.ahead && r.cause != nil {
		for futex.HasWaitAny() && parked() == before { // it may also be spurious and over
			select {
			case <-done:
				return fmt.Errorf("returned after %v for no reason", time.Since(start))
			case <-time.After(10 * time.Microsecond): //clock: between two looks
			}
		}
		// let it reach the kernel; if it does not, the test shows less
		proctest.Stagger(400 * time.Microsecond)
		start = time.Now()
		r.cause(&values[i], cancel, c)
	}
	<-done
	if took := time.Since(start); took < r.least { //clock: at least so long
		return fmt.Errorf("returned after %v", took)
	}
	return nil
}

// checkAll returns what is wrong in any combination.
func checkAll(onlyTimed bool) (wrong []error) {
	for _, r := range reasons {
		for n := 1; n <= MaxWords; n++ {
			for i := range n {
				if onlyTimed && !r.timed {
					continue
				}
				if err := r.check(n, i); err != nil {
					wrong = append(wrong, fmt.Errorf("%s, word %d of %d: %w", r.name, i, n, err))
				}
			}
		}
	}
	return wrong
}

func TestParkEnds(t *testing.T) {
	if !futex.HasWaitAny() {
		t.Skip("the kernel has no futex_waitv")
	}
	for _, mode := range []string{"direct", "polled"} {
		t.Run(mode, func(t *testing.T) {
			if mode == "polled" {
				defer onPollers()()
			}
			if wrong := checkAll(false); wrong != nil {
				t.Error(errors.Join(wrong...))
			}
		})
	}
	nobodyParks(t)
}

// timed checks Park as checkAll does, in a process that can wait for one word only.
func timed(args []string) {
	if futex.HasWaitAny() {
		panic("the fallback is not in use")
	}
	if args[0] == "napping" {
		defer onPollers()()
	}
	for _, err := range checkAll(true) {
		proctest.Say("%v", err)
	}
	proctest.Say("checked")
}

func TestParkEndsInTheFallback(t *testing.T) {
	for _, mode := range []string{"in the kernel", "napping"} {
		t.Run(mode, func(t *testing.T) {
			child := proctest.Command(t, roleTimed, mode)
			child.Cmd.Env = append(child.Cmd.Env, futex.FallbackEnv+"=waitv")
			child.Start()
			child.Expect("checked")
			child.WaitOK()
		})
	}
}

func TestDeadlineEndsPark(t *testing.T) {
	for _, mode := range []string{"direct", "polled"} {
		if mode == "polled" {
			defer onPollers()()
		}
		const deadline = 30 * time.Millisecond //clock: the deadline is the subject
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		start := time.Now()
		for ctx.Err() == nil {
			Park(ctx, NewCloser(), never, futex.Word{Addr: new(uint32)})
		}
		if took := time.Since(start); took < deadline { //clock: at least so long
			t.Errorf("%s: a deadline of %v ended the wait after %v", mode, deadline, took)
		}
		cancel()
	}
}

// parks waits until a word of another process has changed, says so, and waits for the next.
func parks(args []string) {
	words, _ := openWords(args[0])
	if args[1] == "polled" {
		onPollers()
	}
	c := NewCloser()
	for i := range words {
		proctest.Say("parking")
		for atomic.LoadUint32(&words[i]) == 0 {
			Park(context.Background(), c, never, futex.Word{Addr: &words[i]}, futex.Word{Addr: &words[(i+1)%len(words)]})
		}
		proctest.Say("saw %d", i)
	}
}

func TestParkEndsByAnotherProcess(t *testing.T) {
	for _, mode := range []string{"direct", "polled", "fallback"} {
		t.Run(mode, func(t *testing.T) {
			words, path := sharedWords(t, 5)
			child := proctest.Command(t, roleParks, path, mode)
			if mode == "fallback" {
				child.Cmd.Env = append(child.Cmd.Env, futex.FallbackEnv+"=waitv")
			}
			child.Start()
			for i := range words {
				child.Expect("parking")
				atomic.StoreUint32(&words[i], 1)
				futex.Wake(&words[i], 1)
				child.Expect("saw " + strconv.Itoa(i))
			}
			child.WaitOK()
		})
	}
}

func TestParkRefusesAWrongNumberOfWords(t *testing.T) {
	for _, n := range []int{0, MaxWords + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for %d words", n)
				}
			}()
			Park(context.Background(), NewCloser(), never, make([]futex.Word, n)...)
		}()
	}
}

func TestCloser(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := NewCloser()
	if c.Closed() || Over(ctx, c) != nil {
		t.Error("over before it began")
	}
	because := errors.New("because")
	cancel(because)
	if err := Over(ctx, c); err != because {
		t.Errorf("after cancel: %v", err)
	}
	select {
	case <-c.Done():
		t.Error("done before Close")
	default:
	}
	c.Close()
	c.Close()
	<-c.Done()
	if err := Over(ctx, c); !c.Closed() || err != ErrClosed || !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A parked wait allocates nothing, as long as its context cannot end.
func TestParkDoesNotAllocate(t *testing.T) {
	c := NewCloser()
	word := new(uint32)
	for _, mode := range []string{"direct", "polled"} {
		if mode == "polled" {
			if !futex.HasWaitAny() {
				continue
			}
			defer onPollers()()
			go func() { // keeps the poller alive: a new one is a goroutine
				for !c.Closed() {
					Park(context.Background(), c, never, futex.Word{Addr: new(uint32)})
				}
			}()
			proctest.Eventually(t, patience, func() bool { n, _, _ := polled(); return n == 1 }, "a poller")
		}
		if n := testing.AllocsPerRun(200, func() {
			//clock: the limit ends it
			Park(context.Background(), c, time.Microsecond, futex.Word{Addr: word})
		}); n > 0.5 {
			t.Errorf("%s: %v allocations", mode, n)
		}
	}
	c.Close()
}
