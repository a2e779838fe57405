package manager

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// addresses are those of all transports, none of which another process may take meanwhile.
func addresses(t testing.TB) map[string]Options {
	dir := proctest.Dir(t)
	return map[string]Options{
		"shm":  {},
		"unix": {Name: "unix://" + dir + "/socket"},
		"tcp":  {Name: "tcp://" + proctest.Loopback() + ":0", Insecure: true, Key: []byte("key")},
	}
}

func TestCalls(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			m := start(t, o)
			d := newDesk(t, m, "first")
			if n, err := Append.Call(background, d, "zweite ü 世界"); err != nil || n != 2 {
				t.Fatalf("%d, error %v", n, err)
			}
			if all, err := All.Call(background, d, struct{}{}); err != nil || !slices.Equal(all, []string{"first", "zweite ü 世界"}) {
				t.Errorf("%q, error %v", all, err)
			}
			if pid, err := Pid.Call(background, d, struct{}{}); err != nil || pid == os.Getpid() || pid != m.Process().PID() {
				t.Errorf("process %d, error %v", pid, err)
			}
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			for i := range int64(300) { // enough for the method to be known as quick
				for _, ctx := range []context.Context{background, ctx} {
					if n, err := Add.Call(ctx, d, i); err != nil || n != i+1 {
						t.Fatalf("%d, error %v", n, err)
					}
				}
			}
			for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 3 << 20} {
				b := bytes.Repeat([]byte{7}, size)
				if got, err := Echo.Call(background, d, b); err != nil || !bytes.Equal(got, b) {
					t.Fatalf("%d bytes for %d, error %v", len(got), size, err)
				}
			}
		})
	}
}

func TestCallsOfManyGoroutines(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, start(t, o))
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			var calls sync.WaitGroup
			for g := range int64(50) {
				calls.Go(func() {
					for i := range int64(100) {
						under := background
						if g%2 == 0 {
							under = ctx
						}
						if n, err := Add.Call(under, d, g*1000+i); err != nil || n != g*1000+i+1 {
							t.Errorf("%d, error %v", n, err)
							return
						}
						if g < 3 && i%20 == 0 {
							b := bytes.Repeat([]byte{byte(i)}, 300<<10)
							if got, err := Echo.Call(under, d, b); err != nil || !bytes.Equal(got, b) {
								t.Errorf("%d bytes, error %v", len(got), err)
								return
							}
						}
					}
				})
			}
			calls.Wait()
		})
	}
}

func TestErrorsOfCalls(t *testing.T) {
	m := start(t, Options{})
	d := newDesk(t, m)
	_, err := Find.Call(background, d, "x")
	var remote *RemoteError
	if !errors.As(err, &remote) || !errors.Is(err, errNotFound) || err.Error() != `note "x": not found` || remote.Call != "desk.find" {
		t.Errorf("error %v (%T)", err, err)
	}
	for range 3 {
		_, err = Panic.Call(background, d, 5)
		var panicked *PanicError
		if !errors.As(err, &panicked) || panicked.Value != "number 5" || !strings.Contains(panicked.Stack, "(*desk).panic") {
			t.Errorf("error %v (%T)", err, err)
		}
		_, err = Goexit.Call(background, d, 5)
		if !errors.As(err, &panicked) {
			t.Errorf("error %v (%T)", err, err)
		}
	}
	if _, err = Bad.Call(background, d, 5); err == nil || !strings.Contains(err.Error(), "result") {
		t.Errorf("a function came: error %v", err)
	}
	if _, err := Desk.New(background, m, []string{"fail"}); !errors.Is(err, errNotFound) {
		t.Errorf("error %v", err)
	}
	if _, err := Sub.Call(background, d, ""); !errors.Is(err, errNotFound) {
		t.Errorf("error %v", err)
	}
	if n, err := Add.Call(background, d, 1); err != nil || n != 2 {
		t.Errorf("the connection has suffered: %d, error %v", n, err)
	}
	objects(t, m, 1)
}

// A quick method that panics, ends its goroutine or blocks is one that the reader ran itself.
func TestQuickMethodsThatAreNot(t *testing.T) {
	d := newDesk(t, start(t, Options{}))
	odd := int64(7)
	for range 3 {
		for i := range int64(200) {
			if _, err := Whim.Call(background, d, i<<1); err != nil {
				t.Fatal(err)
			}
		}
		// panics, ends its goroutine, blocks until the next call
		for _, whim := range []int64{1, 3, 5} {
			odd += 2
			done := make(chan error, 1)
			go func() {
				_, err := Whim.Call(background, d, whim)
				done <- err
			}()
			if whim == 5 {
				proctest.Eventually(t, proctest.Hang, func() bool {
					n, err := Whim.Call(background, d, -2) // wakes one that blocks
					return err == nil && n == 1
				}, "another call runs while one blocks")
			}
			err := proctest.Ends(t, done, "the call ends")
			var panicked *PanicError
			if errors.As(err, &panicked) != (whim != 5) {
				t.Errorf("whim %d: error %v", whim, err)
			}
		}
	}
}

// Whim does what its argument says.
var Whim = Method(Desk, "whim", func(d *desk, _ context.Context, n int64) (int64, error) {
	switch n {
	case 1:
		panic("on purpose")
	case 3:
		runtime.Goexit()
	case 5:
		whims <- struct{}{}
	case -2:
		select {
		case <-whims:
			return 1, nil
		default:
		}
	}
	return 0, nil
})

var whims = make(chan struct{})

func TestUnserializableArgument(t *testing.T) {
	d := newDesk(t, start(t, Options{}))
	if _, err := Any.Call(background, d, func() {}); err == nil {
		t.Error("a function was sent")
	}
	if got, err := Any.Call(background, d, "text"); err != nil || got != "text" {
		t.Errorf("%v, error %v", got, err)
	}
}

// Any returns its argument.
var Any = Method(Desk, "any", func(_ *desk, _ context.Context, v any) (any, error) { return v, nil })

func TestDeadlineTravels(t *testing.T) {
	d := newDesk(t, start(t, Options{}))
	if left, err := Left.Call(background, d, 0); err != nil || left != 0 {
		t.Errorf("%v, error %v", left, err)
	}
	ctx, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	if left, err := Left.Call(ctx, d, 0); err != nil || left <= 0 || left > time.Hour {
		t.Errorf("%v, error %v", left, err)
	}
}

// hasNote waits until the desk has a note that begins so.
func hasNote(t *testing.T, d *Ref[*desk], begin string) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		all, err := All.Call(background, d, struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, begin) })
	}, "the desk has a note "+begin)
}

// The end of the caller's context ends the call at once, and the context of the method.
func TestCancelReachesTheMethod(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, start(t, o))
			ctx, cancel := context.WithCancelCause(background)
			own := errors.New("own cause")
			done := make(chan error, 1)
			go func() {
				_, err := Block.Call(ctx, d, 1)
				done <- err
			}()
			hasNote(t, d, "block")
			cancel(own)
			if err := proctest.Ends(t, done, "the call ends with its context"); !errors.Is(err, own) {
				t.Errorf("error %v", err)
			}
			hasNote(t, d, "ended: context canceled")
		})
	}
}

// Calls that block hold up none of the others, and end when they can.
func TestBlockedCallsHoldUpNoOthers(t *testing.T) {
	d := newDesk(t, start(t, Options{}))
	var calls sync.WaitGroup
	for i := range int64(100) {
		calls.Go(func() {
			if n, err := Block.Call(background, d, i+2); err != nil || n != i+2 {
				t.Errorf("%d, error %v", n, err)
			}
		})
	}
	for range 100 {
		if _, err := Add.Call(background, d, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open.Call(background, d, 0); err != nil {
		t.Fatal(err)
	}
	calls.Wait()
}

// More calls than Concurrent wait in the client, and can be given up there.
func TestConcurrent(t *testing.T) {
	d := newDesk(t, start(t, Options{Concurrent: 4}))
	ctx, cancel := context.WithCancel(background)
	var blocked, waits sync.WaitGroup
	for i := range int64(4) {
		blocked.Go(func() { Block.Call(ctx, d, i+2) })
	}
	waitCtx, giveUp := context.WithCancel(background)
	for range 10 {
		waits.Go(func() {
			if _, err := Block.Call(waitCtx, d, 2); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
	giveUp()
	waits.Wait()
	cancel()
	blocked.Wait()
	if _, err := Add.Call(background, d, 1); err != nil {
		t.Error(err)
	}
}

func TestGo(t *testing.T) {
	d := newDesk(t, start(t, Options{}))
	var futures []*Future[int64]
	for i := range int64(50) {
		futures = append(futures, Add.Go(background, d, i))
	}
	for i, f := range futures {
		if n, err := f.Get(background); err != nil || n != int64(i)+1 {
			t.Errorf("%d, error %v", n, err)
		}
		<-f.Done()
		if !f.Ready() {
			t.Error("a future that is done is not ready")
		}
	}
}

func TestEach(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			m := start(t, o)
			d := newDesk(t, m)
			next := 0
			for b, err := range Count.Each(background, d, 2000) { // 2 MB
				if err != nil || len(b) != next {
					t.Fatalf("%d bytes, error %v, want %d", len(b), err, next)
				}
				next++
			}
			if next != 2000 {
				t.Errorf("%d values", next)
			}
			next = 0
			var last error
			for _, err := range Count.Each(background, d, -3) {
				next++
				last = err
			}
			if next != 4 || !errors.Is(last, errNotFound) {
				t.Errorf("%d values, error %v", next, last)
			}
		})
	}
}

// A loop that does not go on holds the method up: there is no more than the window under way.
func TestEachIsBackPressure(t *testing.T) {
	d := newDesk(t, start(t, Options{}))
	const values = 100_000 // of 5 GB in all
	n := 0
	for _, err := range Count.Each(background, d, values) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2000 {
			break
		}
	}
	all, err := All.Call(background, d, struct{}{})
	if err != nil || len(all) < 2000 || len(all) > 2000+window/1000 {
		t.Errorf("%d values were made for 2000, error %v", len(all), err)
	}
}

func TestEachOfOtherMethods(t *testing.T) {
	d := newDesk(t, start(t, Options{}))
	for n, err := range Add.Each(background, d, 1) {
		if n != 2 || err != nil {
			t.Errorf("%d, error %v", n, err)
		}
	}
	if _, err := Count.Call(background, d, 1); err == nil || !strings.Contains(err.Error(), "Each") {
		t.Errorf("error %v", err)
	}
}

// A large value of an iteration takes more than the whole window.
func TestEachOfLargeValues(t *testing.T) {
	d := newDesk(t, start(t, Options{}))
	n := 0
	for b, err := range Large.Each(background, d, 5) {
		if err != nil || len(b) != 3*window {
			t.Fatalf("%d bytes, error %v", len(b), err)
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d values", n)
	}
}

// Large yields large values.
var Large = Yields(Desk, "large", func(_ *desk, _ context.Context, n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for range n {
			if !yield(make([]byte, 3*window), nil) {
				return
			}
		}
	}
})

func TestTooLarge(t *testing.T) {
	d := newDesk(t, start(t, Options{Max: 100_000}))
	for range 3 {
		if _, err := Echo.Call(background, d, make([]byte, 100_001)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("argument: error %v", err)
		}
		if _, err := Make.Call(background, d, 100_001); !errors.Is(err, ErrTooLarge) {
			t.Errorf("result: error %v", err)
		}
		if b, err := Make.Call(background, d, 100_000); err != nil || len(b) != 100_000 {
			t.Errorf("%d bytes, error %v", len(b), err)
		}
	}
}

// Make returns so many bytes.
var Make = Method(Desk, "make", func(_ *desk, _ context.Context, n int64) ([]byte, error) { return make([]byte, n), nil })

func TestExclusive(t *testing.T) {
	m := start(t, Options{})
	s, err := Slow.New(background, m, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			for range 50 {
				if n, err := Enter.Call(background, s, 0); err != nil || n != 1 {
					t.Errorf("%d calls at once, error %v", n, err)
				}
			}
		})
	}
	calls.Wait()
	// a call of itself would wait for ever
	done := make(chan error, 1)
	go func() {
		_, err := Again.Call(background, s, s)
		done <- err
	}()
	if err := proctest.Ends(t, done, "the call of itself ends"); !errors.Is(err, ErrExclusive) {
		t.Errorf("error %v", err)
	}
	// so would one through an object of another manager
	d := newDesk(t, start(t, Options{}))
	go func() {
		_, err := Around.Call(background, s, refs{s, d})
		done <- err
	}()
	if err := proctest.Ends(t, done, "the call of itself through another process ends"); !errors.Is(err, ErrExclusive) {
		t.Errorf("error %v", err)
	}
	if n, err := Enter.Call(background, s, 0); err != nil || n != 1 {
		t.Errorf("%d, error %v", n, err)
	}
}

// refs are an exclusive object and one that calls it.
type refs struct {
	Me *Ref[*slow]
	By *Ref[*desk]
}

// Around calls itself through a desk, and Through is what it calls there.
var (
	Around = Method(Slow, "around", func(_ *slow, ctx context.Context, r refs) (int64, error) {
		return Through.Call(ctx, r.By, r.Me)
	})
	Through = Method(Desk, "through", func(_ *desk, ctx context.Context, me *Ref[*slow]) (int64, error) {
		return Enter.Call(ctx, me, 0)
	})
)

func TestMakerAndNames(t *testing.T) {
	m := start(t, Options{})
	d := newDesk(t, m)
	sub, err := Sub.Call(background, d, "inner")
	if err != nil {
		t.Fatal(err)
	}
	if all, err := All.Call(background, sub, struct{}{}); err != nil || !slices.Equal(all, []string{"inner"}) {
		t.Errorf("%q, error %v", all, err)
	}
	objects(t, m, 2)
	sub.Close()
	objects(t, m, 1)
	if _, err := All.Call(background, sub, struct{}{}); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
	a, errA := Desk.Named(background, m, "main", []string{"a"})
	b, errB := Desk.Named(background, m, "main", []string{"b"})
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if all, err := All.Call(background, b, struct{}{}); err != nil || !slices.Equal(all, []string{"a"}) {
		t.Errorf("%q, error %v", all, err)
	}
	if _, err := Slow.Named(background, m, "main", struct{}{}); err == nil {
		t.Error("an object of another type was found")
	}
	a.Close()
	b.Close()
	objects(t, m, 2) // the name holds it
	list, err := m.Objects(background)
	if err != nil || len(list) != 2 || list[1].Name != "main" || list[1].Type != "desk" || list[1].Value != "*manager.desk" {
		t.Errorf("%+v, error %v", list, err)
	}
	if ok, err := m.Remove(background, "main"); !ok || err != nil {
		t.Errorf("%v, error %v", ok, err)
	}
	if ok, err := m.Remove(background, "main"); ok || err != nil {
		t.Errorf("%v, error %v", ok, err)
	}
	objects(t, m, 1)
}

// A reference in an argument reaches the method, and one in a result the caller.
func TestRefsTravel(t *testing.T) {
	m := start(t, Options{})
	d, other := newDesk(t, m), newDesk(t, m)
	if n, err := Give.Call(background, d, other); err != nil || n != 1 {
		t.Fatalf("%d, error %v", n, err)
	}
	hasNote(t, other, "given")
	objects(t, m, 2)
	other.Close()
	objects(t, m, 1)
}
