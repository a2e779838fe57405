//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
	"go.uber.org/goleak"
)

func newEvents(t testing.TB, seg *shm.Segment, n int) (events []*shmsync.Event, sources []shmsync.Source) {
	t.Helper()
	for i := range n {
		e, err := shmsync.NewEvent(seg, fmt.Sprint("event ", i), shmsync.EventOptions{})
		if err != nil {
			t.Fatal(err)
		}
		events, sources = append(events, e), append(sources, e.Sets())
	}
	return events, sources
}

func newSelect(t testing.TB, sources ...shmsync.Source) *shmsync.Select {
	s := shmsync.NewSelect(sources...)
	t.Cleanup(func() { s.Close() })
	return s
}

// wantIndex waits for a source that has to be i.
func wantIndex(t testing.TB, s *shmsync.Select, i int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, hangs)
	defer cancel()
	if got, err := s.Wait(ctx); got != i || err != nil {
		t.Fatalf("source %d, %v; want %d", got, err, i)
	}
}

// wantNone tries for a source in vain.
func wantNone(t testing.TB, s *shmsync.Select) {
	t.Helper()
	if i, ok := s.Try(); ok || i != -1 {
		t.Fatalf("source %d is ready", i)
	}
}

// waitAside calls Wait in another goroutine, and returns when it sleeps in the segment.
func waitAside(t testing.TB, seg *shm.Segment, s *shmsync.Select) <-chan int {
	t.Helper()
	woken := make(chan int, 1)
	go func() {
		i, err := s.Wait(background)
		if err != nil {
			t.Error(err)
		}
		woken <- i
	}()
	selectsSleep(t, seg, 1)
	return woken
}

// selectsSleep waits until n Selects are listed as waiting in the segment.
func selectsSleep(t testing.TB, seg *shm.Segment, n int) {
	t.Helper()
	proctest.Eventually(t, hangs, func() bool { return waitsFor(seg, "event 0") >= n }, "no Select sleeps")
}

// selectSetter sets the event of a number that it is told.
var selectSetter = proctest.Register("selectSetter", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	for {
		e, err := shmsync.OpenEvent(seg, "event "+proctest.Hear(), shmsync.EventOptions{})
		must(err)
		e.Set()
		e.Clear()
	}
})

// An event that another process sets and clears wakes a Select, which notices it once.
func TestSelectEvents(t *testing.T) {
	seg := newSegment(t)
	events, sources := newEvents(t, seg, 3)
	s := newSelect(t, sources...)
	wantNone(t, s)
	child := proctest.Start(t, selectSetter, seg.Path())
	for _, i := range []int{1, 0, 2, 2} {
		woken := waitAside(t, seg, s)
		child.Send(fmt.Sprint(i))
		if got := proctest.Ends(t, woken, "the Select sleeps on"); got != i {
			t.Fatalf("source %d, want %d", got, i)
		}
		proctest.Eventually(t, hangs, func() bool { return !events[i].IsSet() }, "the event stays set")
		wantNone(t, s)
	}
	child.Kill()
	events[1].Set() // stays
	wantIndex(t, s, 1)
	wantIndex(t, s, 1)
}

// What is set and cleared during a Wait that returns another source is not lost.
func TestSelectEventBesideAnother(t *testing.T) {
	seg := newSegment(t)
	events, sources := newEvents(t, seg, 2)
	s := newSelect(t, sources...)
	woken := waitAside(t, seg, s)
	events[1].Set()
	events[1].Clear()
	events[0].Set()
	first := proctest.Ends(t, woken, "the Select sleeps on")
	wantIndex(t, s, 1-first)
	events[0].Clear()
	if first == 1 { // the other look has found it
		wantNone(t, s)
	}
}

func TestSelectDone(t *testing.T) {
	seg := newSegment(t)
	events, sources := newEvents(t, seg, 1)
	first, closeFirst := context.WithCancel(background)
	second, closeSecond := context.WithCancel(background)
	s := newSelect(t, sources[0], shmsync.Done(first.Done()), shmsync.Done(second.Done()), shmsync.Done(nil))
	woken := waitAside(t, seg, s)
	closeSecond()
	if i := proctest.Ends(t, woken, "the Select sleeps on"); i != 2 {
		t.Fatal(i)
	}
	wantIndex(t, s, 2) // for ever
	s.Set(2, shmsync.Source{})
	wantNone(t, s)
	woken = waitAside(t, seg, s)
	closeFirst()
	if i := proctest.Ends(t, woken, "the Select sleeps on"); i != 1 {
		t.Fatal(i)
	}
	third, closeThird := context.WithCancel(background)
	s.Set(1, shmsync.Done(third.Done()))
	woken = waitAside(t, seg, s)
	closeThird()
	if i := proctest.Ends(t, woken, "the Select sleeps on"); i != 1 {
		t.Fatal(i)
	}
	s.Set(1, shmsync.Source{})
	woken = waitAside(t, seg, s)
	events[0].Set()
	if i := proctest.Ends(t, woken, "the Select sleeps on"); i != 0 {
		t.Fatal(i)
	}
}

// Close ends the goroutine that watches channels, whether they are closed or not.
func TestSelectCloseLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	seg := newSegment(t)
	_, sources := newEvents(t, seg, 1)
	ended, end := context.WithCancel(background)
	open := make(chan struct{})
	s := shmsync.NewSelect(sources[0], shmsync.Done(ended.Done()), shmsync.Done(open))
	woken := waitAside(t, seg, s)
	end()
	proctest.Ends(t, woken, "the Select sleeps on")
	must(s.Close())
	must(s.Close())
	if i, err := s.Wait(background); i != -1 || !errors.Is(err, shmsync.ErrClosed) || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait of a closed Select: %d, %v", i, err)
	}
	wantNone(t, s)
	must(seg.Close())
	proctest.Eventually(t, hangs, func() bool { return goleak.Find(before) == nil }, "goroutines are left")
}

func TestSelectContext(t *testing.T) {
	seg := newSegment(t)
	events, sources := newEvents(t, seg, 2)
	for name, s := range map[string]*shmsync.Select{
		"two": newSelect(t, sources...), "none": newSelect(t), "zero": newSelect(t, shmsync.Source{}),
	} {
		ctx, cancel := context.WithCancelCause(background)
		cause := errors.New("cause")
		blocked := proctest.MustBlock(t, func() {
			if i, err := s.Wait(ctx); i != -1 || !errors.Is(err, cause) {
				t.Errorf("%s: %d, %v", name, i, err)
			}
		})
		cancel(cause)
		proctest.Ends(t, blocked, "the Select sleeps on")
	}
	s := newSelect(t, sources...)
	events[1].Set()
	ctx, cancel := context.WithCancel(background)
	cancel()
	if i, err := s.Wait(ctx); i != 1 || err != nil {
		t.Errorf("what is ready, with a context that has ended: %d, %v", i, err)
	}
}

// The end of the segment, or of the handle, of one source ends the wait for all.
func TestSelectSegmentCloses(t *testing.T) {
	for name, end := range map[string]func(*shm.Segment, *shmsync.Event) error{
		"segment": func(seg *shm.Segment, _ *shmsync.Event) error { return seg.Close() },
		"handle":  func(_ *shm.Segment, e *shmsync.Event) error { return e.Detach() },
	} {
		t.Run(name, func(t *testing.T) {
			segs := []*shm.Segment{newSegment(t), newSegment(t)}
			first, sources := newEvents(t, segs[0], 1)
			second, more := newEvents(t, segs[1], 1)
			s := newSelect(t, append(sources, more...)...)
			failed := make(chan error, 1)
			go func() {
				_, err := s.Wait(background)
				failed <- err
			}()
			selectsSleep(t, segs[1], 1)
			must(end(segs[1], second[0]))
			if err := proctest.Ends(t, failed, "the Select sleeps on"); !errors.Is(err, shmsync.ErrClosed) {
				t.Error(err)
			}
			first[0].Set()
			if _, err := s.Wait(background); !errors.Is(err, shmsync.ErrClosed) {
				t.Errorf("beside a source that is ready: %v", err)
			}
			s.Set(1, shmsync.Source{})
			wantIndex(t, s, 0)
		})
	}
}

// More sources than one sleep in the kernel is for: any of them wakes the Select.
func TestSelectManySources(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{Size: 8 << 20, Objects: 2048})
	must(err)
	defer seg.Close()
	events, sources := newEvents(t, seg, 1024)
	for _, n := range []int{1, 40, 120, 121, 1024} {
		s := newSelect(t, sources[:n]...)
		for _, i := range []int{0, n / 2, n - 1} {
			woken := waitAside(t, seg, s)
			events[i].Set()
			if got := proctest.Ends(t, woken, "the Select sleeps on"); got != i {
				t.Errorf("of %d sources %d is ready, not %d", n, got, i)
			}
			events[i].Clear()
			wantNone(t, s)
		}
	}
	defer func() {
		if got, want := fmt.Sprint(recover()), "shmsync: a Select of 1025 sources: at most 1024 are possible"; got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	shmsync.NewSelect(make([]shmsync.Source, 1025)...)
}

// One Source in several Selects, and several times in one.
func TestSelectSourceTwice(t *testing.T) {
	seg := newSegment(t)
	events, sources := newEvents(t, seg, 1)
	a, b := newSelect(t, sources[0], sources[0]), newSelect(t, sources[0])
	both := []<-chan int{waitAside(t, seg, a), waitAside(t, seg, b)}
	selectsSleep(t, seg, 2)
	events[0].Set()
	for _, woken := range both {
		if i := proctest.Ends(t, woken, "a Select sleeps on"); i != 0 {
			t.Error(i)
		}
	}
	wantIndex(t, a, 1)
	wantIndex(t, a, 0)
}

func TestSelectAllocatesNothing(t *testing.T) {
	seg := newSegment(t)
	events, sources := newEvents(t, seg, 3)
	s := newSelect(t, append(sources, shmsync.Done(make(chan struct{})))...)
	events[2].Set()
	if n := testing.AllocsPerRun(100, func() { wantReady(s) }); n != 0 {
		t.Errorf("a Wait for what is ready allocates %v times", n)
	}
}

func wantReady(s *shmsync.Select) {
	_, err := s.Wait(background)
	must(err)
}
