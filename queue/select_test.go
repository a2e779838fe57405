//go:build linux

package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// An ends is a queue of any kind, with room for two messages, as a test of Select uses it.
type ends struct {
	gets, puts shmsync.Source // puts is zero where a put never waits
	get, put   func() error   // without waiting
	reserve    func() (commit func() error, err error)
	close      func() error
	damage     func()
}

func reserved[R interface{ Commit() error }](r R, err error) (func() error, error) {
	return func() error { return r.Commit() }, err
}

// selectable opens a queue of each kind.
var selectable = map[string]func(seg *shm.Segment) ends{
	"Queue": func(seg *shm.Segment) ends {
		q := mustOpen(NewQueue[int64](seg, "q", 2, Options{}))
		return ends{
			gets: q.Gets(), puts: q.Puts(), close: q.Close,
			get:     func() error { _, err := q.TryGet(); return err },
			put:     func() error { return q.TryPut(1) },
			reserve: func() (func() error, error) { r, err := q.Reserve(background); return reserved(&r, err) },
			damage:  func() { scribble(q.o.Payload[slot0:]) },
		}
	},
	"SPSC": func(seg *shm.Segment) ends {
		q := mustOpen(NewSPSC[int64](seg, "q", 2, Options{}))
		return ends{
			gets: q.Gets(), puts: q.Puts(), close: q.Close,
			get:    func() error { _, err := q.TryGet(); return err },
			put:    func() error { return q.TryPut(1) },
			damage: func() { q.poke(tail, 1<<40) },
		}
	},
	"Bytes": func(seg *shm.Segment) ends {
		b := mustOpen(NewBytes(seg, "q", 200, Options{}))
		message := make([]byte, 90)
		return ends{
			gets: b.Gets(), puts: b.Puts(), close: b.Close,
			get:     func() error { _, err := b.TryGet(); return err },
			put:     func() error { return b.TryPut(message) },
			reserve: func() (func() error, error) { r, err := b.Reserve(background, 1); return reserved(&r, err) },
			damage:  func() { proctest.ExitOn(b.TryPut(message)); scribble(b.o.Payload[384:]) },
		}
	},
	"Objects": func(seg *shm.Segment) ends {
		q := mustOpen(NewObjects[string](seg, "q", 64, Options{}))
		text := strings.Repeat("x", 50)
		return ends{
			gets: q.Gets(), puts: q.Puts(), close: q.Close,
			get: func() error { _, err := q.TryGet(); return err },
			put: func() error { return q.TryPut(text) },
		}
	},
	"Broadcast": func(seg *shm.Segment) ends {
		b := mustOpen(NewBroadcast[int64](seg, "q", 8, Options{}))
		r := b.mustSubscribe(FromOldest)
		return ends{
			gets: r.Gets(), close: b.Close,
			get: func() error { _, err := r.TryGet(); return err },
			put: func() error { return b.Put(background, 1) },
		}
	},
}

// scribble overwrites memory with what no process writes.
func scribble(b []byte) {
	for i := range b {
		b[i] = 0xa5
	}
}

// roleEnds does what it is told with a queue of kind args[1] in the segment args[0].
var roleEnds = proctest.Register("select-ends", func(args []string) {
	e := selectable[args[1]](mustOpen(shm.Open(args[0])))
	var commit func() error
	do := map[string]func() error{
		"get": e.get, "put": e.put, "close": e.close,
		"reserve": func() (err error) { commit, err = e.reserve(); return err },
		"commit":  func() error { return commit() },
	}
	for {
		proctest.ExitOn(do[proctest.Hear()]())
		proctest.Say("done")
	}
})

// tell has the child do something, and waits until it is done.
func tell(child *proctest.Child, what string) {
	child.Send(what)
	child.Expect("done")
}

// selectOf opens a queue of the kind here and in a child.
func selectOf(t *testing.T, kind string) (seg *shm.Segment, e ends, child *proctest.Child) {
	path := proctest.Dir(t) + "/segment"
	seg = mustOpen(shm.Create(path, shm.Options{}))
	t.Cleanup(func() { seg.Close() })
	e, child = selectable[kind](seg), proctest.Start(t, roleEnds, path, kind)
	t.Cleanup(func() { child.Kill() })
	return seg, e, child
}

func newSelect(t testing.TB, sources ...shmsync.Source) *shmsync.Select {
	s := shmsync.NewSelect(sources...)
	t.Cleanup(func() { s.Close() })
	return s
}

// wantReady waits for a source, which has to be i.
func wantReady(t testing.TB, s *shmsync.Select, i int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, proctest.Hang)
	defer cancel()
	if got, err := s.Wait(ctx); got != i || err != nil {
		t.Fatalf("source %d, %v; want %d", got, err, i)
	}
}

func wantNoneReady(t testing.TB, s *shmsync.Select) {
	t.Helper()
	if i, ok := s.Try(); ok {
		t.Fatalf("source %d is ready", i)
	}
}

// selectAside calls Wait in another goroutine, and returns when it sleeps.
func selectAside(t testing.TB, seg *shm.Segment, s *shmsync.Select) <-chan int {
	t.Helper()
	woken := make(chan int, 1)
	go func() {
		i, err := s.Wait(background)
		if err != nil {
			t.Error(err)
		}
		woken <- i
	}()
	asleep.Await(t, seg, 1)
	return woken
}

// wantWoken waits until the Wait of selectAside has returned i.
func wantWoken(t testing.TB, woken <-chan int, i int) {
	t.Helper()
	if got := proctest.Ends(t, woken, "the Select sleeps on"); got != i {
		t.Fatalf("source %d, want %d", got, i)
	}
}

// Another process puts, gets and closes while a Select sleeps.
func TestSelectKinds(t *testing.T) {
	for kind := range selectable {
		t.Run(kind, func(t *testing.T) {
			seg, e, child := selectOf(t, kind)
			other := mustOpen(NewQueue[int64](seg, "other", 2, Options{}))
			s := newSelect(t, other.Gets(), e.gets)
			wantNoneReady(t, s)
			for range 3 {
				woken := selectAside(t, seg, s)
				tell(child, "put")
				wantWoken(t, woken, 1)
				wantReady(t, s, 1) // it has not been taken
				wantErr(t, e.get(), nil)
				wantNoneReady(t, s)
			}
			woken := selectAside(t, seg, s)
			tell(child, "close")
			wantWoken(t, woken, 1)
			wantErr(t, e.get(), ErrClosed)
			wantReady(t, s, 1) // for ever
			s.Set(1, shmsync.Source{})
			wantNoneReady(t, s)
			mustPut(t, other, 1)
			wantReady(t, s, 0)
		})
	}
}

// A queue that is full, and one that is closed while it is.
func TestSelectPuts(t *testing.T) {
	for kind := range selectable {
		if kind == "Broadcast" {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			seg, e, child := selectOf(t, kind)
			s := newSelect(t, shmsync.Source{}, e.puts)
			wantReady(t, s, 1)
			fill := func() {
				for e.put() == nil {
				}
				wantErr(t, e.put(), ErrFull)
				wantNoneReady(t, s)
			}
			fill()
			for range 3 {
				woken := selectAside(t, seg, s)
				tell(child, "get")
				wantWoken(t, woken, 1)
				wantErr(t, e.put(), nil)
				fill()
			}
			woken := selectAside(t, seg, s)
			tell(child, "close")
			wantWoken(t, woken, 1)
			wantErr(t, e.put(), ErrClosed)
		})
	}
}

// A message that is being written holds up those behind it, for as long as its process lives, also
// stopped.
func TestSelectHalfWritten(t *testing.T) {
	for _, kind := range []string{"Queue", "Bytes"} {
		for _, end := range []string{"commit", "death", "death of a stopped process"} {
			t.Run(kind+"/"+end, func(t *testing.T) {
				seg, e, child := selectOf(t, kind)
				s := newSelect(t, e.gets)
				tell(child, "reserve")
				wantNoneReady(t, s)
				wantErr(t, e.put(), nil)
				wantNoneReady(t, s)
				woken := selectAside(t, seg, s)
				switch end {
				case "commit":
					child.Signal(syscall.SIGSTOP)
					child.WaitStopped()
					proctest.Blocked(t, woken)
					child.Signal(syscall.SIGCONT)
					tell(child, "commit")
				case "death of a stopped process":
					child.Signal(syscall.SIGSTOP)
					child.WaitStopped()
					child.Kill()
				default:
					child.Kill()
				}
				wantWoken(t, woken, 0)
				wantErr(t, e.get(), nil)
				if end == "commit" {
					wantReady(t, s, 0)
					wantErr(t, e.get(), nil)
				}
				wantNoneReady(t, s)
			})
		}
	}
}

// A queue that a dead consumer has left full has room again.
func TestSelectPutsBesideADeadConsumer(t *testing.T) {
	seg := mustOpen(shm.Create(proctest.Dir(t)+"/segment", shm.Options{}))
	defer seg.Close()
	q := mustOpen(NewQueue[int64](seg, "q", 2, Options{}))
	b := mustOpen(NewBytes(seg, "b", 48, Options{}))
	for q.TryPut(1) == nil {
	}
	message := make([]byte, 48)
	for b.TryPut(message) == nil {
	}
	child := proctest.Start(t, rolePeeks, seg.Path())
	child.Expect("peeked")
	for name, puts := range map[string]shmsync.Source{"Queue": q.Puts(), "Bytes": b.Puts()} {
		s := newSelect(t, puts)
		wantNoneReady(t, s)
		woken := selectAside(t, seg, s)
		defer func() { wantWoken(t, woken, 0) }()
		t.Log(name)
	}
	asleep.Await(t, seg, 2)
	child.Kill()
}

// rolePeeks looks at a message of both queues in the segment args[0], and does not release it.
var rolePeeks = proctest.Register("select-peeks", func(args []string) {
	seg := mustOpen(shm.Open(args[0]))
	mustOpen(mustOpen(OpenQueue[int64](seg, "q", Options{})).Peek(background))
	mustOpen(mustOpen(OpenBytes(seg, "b", Options{})).Peek(background))
	proctest.Say("peeked")
	proctest.Forever()
})

// A queue with words that contradict each other is ready: the get returns the error.
func TestSelectDamaged(t *testing.T) {
	for kind, open := range selectable {
		e := open(newSegment(t, shm.Options{}))
		if e.damage == nil {
			continue
		}
		e.damage()
		s := newSelect(t, e.gets)
		if _, ok := s.Try(); !ok {
			t.Errorf("%s: not ready", kind)
		}
		if err := e.get(); !errors.Is(err, shm.ErrCorrupt) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// A consumer that has the role keeps another process's Select from waiting: its get fails.
func TestSelectTakesTheRole(t *testing.T) {
	_, e, child := selectOf(t, "SPSC")
	s := newSelect(t, e.gets)
	wantNoneReady(t, s)
	child.Send("get")
	proctest.Eventually(t, proctest.Hang, child.Ended, "the other consumer goes on")
	if out := child.Stderr(); !strings.Contains(out, ErrRoleTaken.Error()) {
		t.Errorf("the other consumer: %q", out)
	}
}

// A reader that is lapped is ready.
func TestSelectLapped(t *testing.T) {
	b := mustOpen(NewBroadcast[int64](newSegment(t, shm.Options{}), "b", 2, overwriting))
	r := b.mustSubscribe(FromOldest)
	s := newSelect(t, r.Gets())
	for i := range 10 {
		wantErr(t, b.Put(background, int64(i)), nil)
	}
	wantReady(t, s, 0)
	_, err := r.TryGet()
	wantErr(t, err, ErrLapped)
	wantReady(t, s, 0)
}

// Two queues that are always full are served in turn.
func TestSelectIsFair(t *testing.T) {
	seg := newSegment(t, bigSegment)
	var queues []*Queue[int64]
	var sources []shmsync.Source
	for i := range 3 {
		q := mustOpen(NewQueue[int64](seg, fmt.Sprint(i), 64, Options{}))
		queues, sources = append(queues, q), append(sources, q.Gets())
	}
	s := newSelect(t, sources...)
	mustPut(t, queues[0], 1, 2)
	mustPut(t, queues[2], 1, 2)
	served := [3]int{}
	for range 1000 {
		i, err := s.Wait(background)
		wantErr(t, err, nil)
		_, err = queues[i].TryGet()
		wantErr(t, err, nil)
		mustPut(t, queues[i], 1)
		served[i]++
	}
	if served != [3]int{500, 0, 500} {
		t.Errorf("served %v", served)
	}
}

func TestSelectOfQueuesAllocatesNothing(t *testing.T) {
	seg := newSegment(t, bigSegment)
	var sources []shmsync.Source
	for _, kind := range []string{"Queue", "Bytes"} {
		sources = append(sources, selectable[kind](newSegment(t, shm.Options{})).gets)
	}
	q := mustOpen(NewQueue[int64](seg, "q", 2, Options{}))
	mustPut(t, q, 1)
	s := newSelect(t, append(sources, q.Gets())...)
	if n := testing.AllocsPerRun(100, func() { mustOpen(s.Wait(background)) }); n != 0 {
		t.Errorf("a Wait for what is ready allocates %v times", n)
	}
}
