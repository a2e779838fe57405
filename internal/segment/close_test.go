//go:build linux

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
)

// What a process writes into an object after Close stays its own, and reading goes on.
func TestWritesAfterCloseStayPrivate(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	o := made(t, s, "a", 10000)
	theirs := made(t, other, "a", 10000)
	o.Payload[0], o.Payload[9999] = 1, 2
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !s.Detached() || other.Detached() {
		t.Error("Detached")
	}
	if o.Payload[0] != 1 || o.Payload[9999] != 2 {
		t.Error("the content is gone")
	}
	// Now others remove it, and its memory becomes something else.
	if err := other.Remove("a"); err != nil {
		t.Fatal(err)
	}
	fill(o.Payload, 0xee)
	for _, b := range theirs.Payload[2:9000] {
		if b == 0xee {
			t.Fatal("a write after Close was seen by others")
		}
	}
	theirs = nil
	settles(t, func() bool { return graves(t, other) == 0 }, "the memory is free")
	fresh := made(t, other, "b", 10000)
	fill(o.Payload, 0xdd)
	for _, b := range fresh.Payload {
		if b != 0 {
			t.Fatal("a write after Close went into another object")
		}
	}
	checked(t, other)
	if o.Payload[77] != 0xdd {
		t.Error("a write after Close is lost for ourselves")
	}
}

func mapped(t testing.TB, path string) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), path)
}

// The memory is unmapped after Close, when the last handle has gone, and not before.
func TestUnmapWhenUnreachable(t *testing.T) {
	path := fresh(t, small).Path() // its mapping does not bear the name, as it was made without one
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	o := made(t, s, "a", 5000)
	m := lock.NewMutex(s.Party(), made(t, s, "lock", 64).Payload, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = nil
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if o.Payload[4999] != 0 || m.Held() || mapped(t, path) == 0 {
		t.Error("unmapped while handles are reachable")
	}
	runtime.KeepAlive(o)
	runtime.KeepAlive(m)
	o, m = nil, nil
	settles(t, func() bool { return mapped(t, path) == 0 }, "unmapped when all handles have gone")
}

// Without Close nothing is ever unmapped, and handles find the segment.
func TestForgottenSegmentStaysAttached(t *testing.T) {
	s := fresh(t, small)
	path := s.Path()
	if _, err := Open(path); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		runtime.GC()
	}
	attachedMu.Lock()
	forgotten := attached[len(attached)-1]
	attachedMu.Unlock()
	if forgotten == s || forgotten.Path() != path {
		t.Fatal("it is not attached any more")
	}
	forgotten.Close()
}

func TestCloseNamesHeldLocks(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	lockOf := func(s *Segment, name string) *lock.Mutex {
		o := made(t, s, name, 64)
		return o.Local(func() (any, func() bool) {
			m := lock.NewMutex(s.Party(), o.Payload, 0)
			return m, m.Held
		}).(*lock.Mutex)
	}
	held, free := lockOf(s, "held"), lockOf(s, "free")
	for _, m := range []*lock.Mutex{held, free} {
		if err := m.Lock(second(t)); err != nil {
			t.Fatal(err)
		}
	}
	time.AfterFunc(5*time.Millisecond, free.Unlock) // an operation in flight
	began := time.Now()
	err := s.Close()
	var h *HeldError
	if !errors.As(err, &h) || len(h.Objects) != 1 || h.Objects[0] != "held" || h.Segment != s.Path() {
		t.Errorf("%v", err)
	}
	wantError(t, err, err, s.Path(), `"held"`, "is told so")
	if waited := time.Since(began); waited < closePatience {
		t.Errorf("it gave up after %v", waited)
	}
	if err := lockOf(other, "free").TryLock(); err != nil {
		t.Errorf("the lock that was freed in time: %v", err)
	}
	if err := lockOf(other, "held").TryLock(); !errors.Is(err, lock.ErrOwnerDied) {
		t.Errorf("the lock that was not: %v", err)
	}
	held.Unlock() // has no effect any more
	if !lockOf(other, "held").Held() {
		t.Error("an Unlock after Close has unlocked the new owner's lock")
	}
	lockOf(other, "held").MarkConsistent()
	lockOf(other, "held").Unlock()
	lockOf(other, "free").Unlock()
}

// Where the pages cannot be made private, what is still held stays held: a goroutine that is late may still write.
func TestCloseKeepsWhatItCannotLeave(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	lockOf := func(s *Segment) *lock.Mutex {
		o := made(t, s, "held", 64)
		return o.Local(func() (any, func() bool) {
			m := lock.NewMutex(s.Party(), o.Payload, 0)
			return m, m.Held
		}).(*lock.Mutex)
	}
	if err := lockOf(s).Lock(second(t)); err != nil {
		t.Fatal(err)
	}
	s.File().Close() // nothing can be mapped through it now
	err := s.Close()
	var h *HeldError
	if !errors.As(err, &h) || !h.Kept {
		t.Errorf("%v", err)
	}
	wantError(t, err, err, s.Path(), `"held"`, "before this process ends")
	if err := lockOf(other).TryLock(); !errors.Is(err, lock.ErrLocked) {
		t.Errorf("the lock is not kept: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

// Close waits for a change of the directory that is under way, longer than for others.
func TestCloseWaitsForTheDirectory(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	s.SetPatience(time.Minute, 0)
	inside, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		_, _, err := s.New(Spec{Name: "a", Kind: KindValue, Size: 10, Init: func(b []byte) {
			inside <- true
			time.Sleep(20 * time.Millisecond)
			b[9] = 9
		}})
		if err != nil && !errors.Is(err, lock.ErrClosed) {
			t.Error(err)
		}
	}()
	<-inside
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	o, err := other.Open(Spec{Name: "a", Kind: KindValue, Size: 10})
	if err != nil || o.Payload[9] != 9 {
		t.Errorf("%v", err)
	}
	checked(t, other)
	<-done
}

// Operations that race with Close, in any order and while the garbage collector runs
// all the time, finish or get ErrClosed. What they leave behind is in order.
func TestOperationsAgainstClose(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	keeper := fresh(t, Config{Size: 1 << 20, Objects: 256, Processes: 8})
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for round := range rounds {
		s, err := OpenFile(keeper.File())
		if err != nil {
			t.Fatal(err)
		}
		o := made(t, s, "shared", 100)
		var wg sync.WaitGroup
		for n, op := range []func(i int) error{
			func(i int) error { _, _, err := s.New(rawSpec(fmt.Sprint("n", i%20), 100)); return err },
			func(i int) error { _, err := s.Open(rawSpec("shared", 100)); return err },
			func(i int) error { return s.Remove(fmt.Sprint("n", i%20)) },
			func(i int) error {
				off, mem, err := s.Alloc(500)
				if err != nil {
					return err
				}
				mem[499] = 1
				return s.Free(off)
			},
			func(i int) error { _, err := s.Check(); return err },
			func(i int) error { _, err := o.Marshal(); return err },
			func(i int) error {
				s.Names(func(string, Kind) bool { return true })
				o.Payload[i%100]++
				return s.CheckNamed()
			},
			func(i int) error { return s.Reclaim() },
		} {
			wg.Go(func() {
				for i := 0; ; i++ {
					err := op(i)
					if errors.Is(err, lock.ErrClosed) {
						return
					}
					if err != nil && !errors.Is(err, fs.ErrNotExist) && !lacksRoom(err) {
						t.Errorf("operation %d: %v", n, err)
						return
					}
					if i > 0 && s.Closed() && n == 6 {
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(round%5) * 200 * time.Microsecond)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if r := checked(t, keeper); r.Blocks != 0 {
			t.Errorf("%+v", r)
		}
		if err := keeper.Reclaim(); err != nil {
			t.Fatal(err)
		}
	}
}
