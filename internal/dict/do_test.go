package dict

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

func (m *Map) mustDo(ctx context.Context, key string, fill func(context.Context) ([]byte, error)) string {
	v, err := m.Do(ctx, nil, []byte(key), fill)
	must(err)
	return string(v)
}

func fillWith(v string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return []byte(v), nil }
}

// crowd: PATH FILLS, many goroutines ask for the same keys at once.
var roleCrowd = proctest.Register("crowd", func(args []string) {
	s, err := segment.Open(args[0])
	must(err)
	m, err := openMap(s, Options{})
	must(err)
	fills := ledgerIn(s, 100)
	proctest.Say("ready")
	proctest.Hear()
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			k := i % 10
			v := m.mustDo(background, fmt.Sprint("key", k), func(context.Context) ([]byte, error) {
				fills[k].Add(1)
				runtime.Gosched()
				return fmt.Append(nil, "value", k), nil
			})
			if v != fmt.Sprint("value", k) {
				panic(v)
			}
		})
	}
	all.Wait()
	proctest.Say("done")
})

// Of all goroutines of all processes one fills each key.
func TestOneFills(t *testing.T) {
	s := newSegment(t, 4<<20)
	m, err := openMap(s, Options{})
	must(err)
	fills := ledgerIn(s, 100)
	var crowd []*proctest.Child
	for range 6 {
		crowd = append(crowd, proctest.Start(t, roleCrowd, s.Path()))
	}
	for _, c := range crowd {
		c.Expect("ready")
	}
	for _, c := range crowd {
		c.Send("go")
	}
	for _, c := range crowd {
		c.Expect("done")
		c.WaitOK()
	}
	for k := range 10 {
		if n := fills[k].Load(); n != 1 {
			t.Errorf("key %d was filled %d times", k, n)
		}
	}
	wantIntact(t, m)
}

// filler: PATH KEY, fills and never ends.
var roleFiller = proctest.Register("filler", func(args []string) {
	s, err := segment.Open(args[0])
	must(err)
	m, err := openSingle(s, Options{})
	must(err)
	m.mustDo(background, args[1], func(context.Context) ([]byte, error) {
		proctest.Say("filling")
		proctest.Forever()
		return nil, nil
	})
})

// The fillers of several keys of one stripe are killed, in the order in which their waiters came
// and in the other: one waiter for each fills at once. Nothing but the death wakes it.
func TestFillerIsKilled(t *testing.T) {
	for _, backwards := range []bool{false, true} {
		s := newSegment(t, 4<<20)
		m, err := openSingle(s, Options{})
		must(err)
		const n = 3
		var fillers []*proctest.Child
		answers := make(chan string, 100)
		for i := range n {
			key := fmt.Sprint("key", i)
			fillers = append(fillers, proctest.Start(t, roleFiller, s.Path(), key))
			fillers[i].Expect("filling")
			for range 5 {
				go func() {
					answers <- m.mustDo(background, key, func(context.Context) ([]byte, error) { return []byte("of " + key), nil })
				}()
			}
			awaitFillers(t, m, i+1)
		}
		for i := range n {
			if backwards {
				i = n - 1 - i
			}
			fillers[i].Signal(syscall.SIGKILL)
			fillers[i].Wait()
			for range 5 {
				if v := proctest.Ends(t, answers, "a waiter fills after the filler's death"); v != fmt.Sprint("of key", i) {
					t.Errorf("filler %d was killed: a waiter got %q", i, v)
				}
			}
		}
		wantIntact(t, m)
	}
}

// awaitFillers waits until goroutines wait for the claims of n processes.
func awaitFillers(t *testing.T, m *Map, n int) {
	t.Helper()
	l := m.at(0)
	proctest.Eventually(t, proctest.Hang, func() bool {
		l.waits.Lock()
		defer l.waits.Unlock()
		waiting := 0
		for _, c := range l.fillers {
			waiting += c
		}
		return len(l.fillers) == n && waiting == 5*n
	}, "goroutines wait for "+strconv.Itoa(n)+" fillers")
}

// A Set or a Delete meanwhile wins: the filler gets what it made, the others do not.
func TestChangeDuringFill(t *testing.T) {
	m := newMapIn(t, 4<<20, Options{})
	got := m.mustDo(background, "a", func(context.Context) ([]byte, error) {
		m.mustSet("a", "newer")
		return []byte("stale"), nil
	})
	if got != "stale" || m.get("a") != "newer" {
		t.Errorf("the filler got %q, the key is %q", got, m.get("a"))
	}
	got = m.mustDo(background, "b", func(context.Context) ([]byte, error) {
		m.mustDelete("b")
		return []byte("stale"), nil
	})
	if got != "stale" || m.get("b") != "-" {
		t.Errorf("the filler got %q, the key is %q", got, m.get("b"))
	}
	got = m.mustDo(background, "c", func(context.Context) ([]byte, error) {
		must(m.Clear(background))
		return []byte("stale"), nil
	})
	if got != "stale" || m.get("c") != "-" {
		t.Errorf("the filler got %q, the key is %q", got, m.get("c"))
	}
}

// The claim ends with an error, a panic and a Goexit of the fill; then the next waiter fills.
func TestFillFails(t *testing.T) {
	m := newMapIn(t, 4<<20, Options{})
	mine := errors.New("mine")
	for name, fail := range map[string]func() ([]byte, error){
		"error":  func() ([]byte, error) { return nil, mine },
		"panic":  func() ([]byte, error) { panic(mine) },
		"goexit": func() ([]byte, error) { runtime.Goexit(); return nil, nil },
	} {
		filling, over := make(chan bool), make(chan any)
		proceed := make(chan bool)
		go func() {
			var err error
			defer func() {
				if r := recover(); r != nil {
					err = r.(error)
				}
				over <- err
			}()
			_, err = m.Do(background, nil, []byte(name), func(context.Context) ([]byte, error) {
				filling <- true
				<-proceed
				return fail()
			})
		}()
		<-filling
		second := make(chan string)
		go func() { second <- m.mustDo(background, name, fillWith("second")) }()
		proctest.Blocked(t, second)
		close(proceed)
		if v := proctest.Ends(t, second, "the next waiter fills"); v != "second" {
			t.Errorf("%s: the next waiter got %q", name, v)
		}
		if err := <-over; name != "goexit" && err != mine {
			t.Errorf("%s: the filler got %v", name, err)
		}
	}
	wantIntact(t, m)
}

func TestFillAsksForItsOwnKey(t *testing.T) {
	m := newMapIn(t, 4<<20, Options{})
	got := m.mustDo(background, "a", func(ctx context.Context) ([]byte, error) {
		if _, err := m.Do(ctx, nil, []byte("a"), fillWith("x")); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("the fill asks for its own key: %v", err)
		}
		return []byte(m.mustDo(ctx, "b", fillWith("of b"))), nil
	})
	if got != "of b" {
		t.Errorf("got %q", got)
	}
	waiter, cancel := context.WithCancelCause(background)
	mine := errors.New("mine")
	m.mustDo(background, "c", func(context.Context) ([]byte, error) {
		cancel(mine)
		if _, err := m.Do(waiter, nil, []byte("c"), fillWith("x")); !errors.Is(err, mine) {
			t.Errorf("a waiter whose context has ended: %v", err)
		}
		return []byte("of c"), nil
	})
}

// More fills at once than a stripe begins with room for; each nests another.
func TestManyFills(t *testing.T) {
	s := newSegment(t, 4<<20)
	m, err := openSingle(s, Options{})
	must(err)
	var all sync.WaitGroup
	var at atomic.Int32
	met := make(chan bool)
	for i := range 30 {
		all.Go(func() {
			v := m.mustDo(background, fmt.Sprint("key", i), func(ctx context.Context) ([]byte, error) {
				if at.Add(1) == 30 {
					close(met)
				}
				<-met
				return []byte(m.mustDo(ctx, fmt.Sprint("inner", i), fillWith(fmt.Sprint("value", i)))), nil
			})
			if v != fmt.Sprint("value", i) {
				t.Errorf("key %d is %q", i, v)
			}
		})
	}
	all.Wait()
	wantIntact(t, m)
}
