package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// startStores makes a Cluster without a pool: for what the server keeps.
func startStores(t *testing.T, address string) *Cluster {
	t.Helper()
	c := startCaller(t, address, Options{})
	return &Cluster{o: *c.o, nc: c.nc, caller: c.caller}
}

type settings struct {
	Name string
	N    int
}

func TestValueUpdatesOfManyProgramsAreNotLost(t *testing.T) {
	s := startServer(t, ServerOptions{})
	ctx := t.Context()
	var all []*Value[settings]
	for range 3 {
		v, err := NewValue[settings](ctx, startStores(t, s.Addr()), "settings")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if v, err := all[0].Load(ctx); err != nil || v != (settings{}) {
		t.Errorf("before the first store: %v, %v", v, err)
	}
	if err := all[1].Store(ctx, settings{"a", 100}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, v := range all {
		wg.Go(func() {
			for range 30 {
				if _, err := v.Update(ctx, func(s settings) (settings, error) { s.N++; return s, nil }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if v, err := all[2].Load(ctx); err != nil || v != (settings{"a", 190}) {
		t.Errorf("after 90 updates: %v, %v", v, err)
	}
	boom := errors.New("boom")
	if _, err := all[0].Update(ctx, func(s settings) (settings, error) { return s, boom }); !errors.Is(err, boom) {
		t.Errorf("the error of the function: %v", err)
	}
	large, err := NewValue[string](ctx, &Cluster{o: all[0].b.c.o, nc: all[0].b.c.nc, caller: all[0].b.c.caller}, "large")
	if err != nil {
		t.Fatal(err)
	}
	if err := large.Store(ctx, string(make([]byte, 2<<20))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("2 MiB: %v", err)
	}
	if _, err := NewValue[settings](ctx, all[0].b.c, "a.b"); err == nil {
		t.Error("a name with a dot is taken")
	}
}

func TestCounterAddsEachOnce(t *testing.T) {
	o := ServerOptions{Listen: freeAddr(t), Dir: t.TempDir()}
	s := startServerProcess(t, o)
	s.Expect("ready")
	ctx := t.Context()
	k, err := NewCounter(ctx, startStores(t, o.Listen), "visits")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := k.Load(ctx); n != 0 || err != nil {
		t.Errorf("at first: %d, %v", n, err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := k.Add(ctx, 3); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	s.Kill() // whatever was added, and not answered, is asked for again
	s = startServerProcess(t, o)
	s.Expect("ready")
	wg.Wait()
	if n, err := k.Add(ctx, -100); n != 500 || err != nil {
		t.Errorf("200 times 3 less 100: %d, %v", n, err)
	}
	s.Kill()
}

var roleHolder = proctest.Register("holder", func(args []string) {
	c, err := openCaller(args[0], Options{})
	proctest.ExitOn(err)
	l, err := NewLease(context.Background(), &Cluster{o: *c.o, nc: c.nc, caller: c.caller}, "night", 3*short)
	proctest.ExitOn(err)
	h, err := l.Acquire(context.Background())
	proctest.ExitOn(err)
	proctest.Say("%d", h.Token())
	<-h.Lost()
	proctest.Say("lost")
})

func TestLeaseHasOneHolderAndTokensThatGrow(t *testing.T) {
	s := startServer(t, ServerOptions{})
	ctx := t.Context()
	l, err := NewLease(ctx, startStores(t, s.Addr()), "night", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	grows := func(h *Hold) {
		t.Helper()
		if h.Token() <= last {
			t.Errorf("token %d after %d", h.Token(), last)
		}
		last = h.Token()
	}
	first, err := l.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	grows(first)
	second := make(chan *Hold)
	go func() {
		h, err := l.Acquire(ctx)
		if err != nil {
			t.Error(err)
		}
		second <- h
	}()
	proctest.Blocked(t, second)
	if err := first.Release(ctx); err != nil {
		t.Fatal(err)
	}
	h := proctest.Ends(t, second, "the lease that was released is not acquired")
	grows(h)
	if err := h.Release(ctx); err != nil {
		t.Fatal(err)
	}
	dead := proctest.Start(t, roleHolder, s.Addr())
	dead.Line()
	dead.Kill()
	h, err = l.Acquire(ctx) // after the time to live
	if err != nil {
		t.Fatal(err)
	}
	grows(h)
	if err := h.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestHolderThatIsStoppedLosesItsLease(t *testing.T) {
	s := startServer(t, ServerOptions{})
	ctx := t.Context()
	l, err := NewLease(ctx, startStores(t, s.Addr()), "night", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	stopped := proctest.Start(t, roleHolder, s.Addr())
	stopped.Line()
	stopped.Signal(19)
	stopped.WaitStopped()
	h, err := l.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stopped.Signal(18)
	stopped.Expect("lost")
	stopped.WaitOK()
	select {
	case <-h.Lost():
		t.Error("the new holder has lost it")
	default:
	}
	if err := h.Release(ctx); err != nil {
		t.Fatal(err)
	}
}
