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
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

// What a process writes into an object after Close stays its own, and reading goes on: zeros, where
// the object was large.
func TestWritesAfterCloseStayPrivate(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	o := made(t, s, "a", 10000)
	theirs := made(t, other, "a", 10000)
	o.Payload[0], o.Payload[9999] = 1, 2
	large := made(t, s, "large", keptObject+1)
	large.Payload[keptObject] = 3
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !s.Detached() || other.Detached() {
		t.Error("Detached")
	}
	if o.Payload[0] != 1 || o.Payload[9999] != 2 {
		t.Error("the content is gone")
	}
	if large.Payload[keptObject] != 0 {
		t.Error("the content of what is large was copied")
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
	settles(t, func() bool { return retired(t, other) == 0 }, "the memory is free")
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

// mapped is how many mappings of the file this process has.
func mapped(t testing.TB, s *Segment) int {
	t.Helper()
	st, err := os.Stat(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), fmt.Sprintf(" %d ", st.Sys().(*syscall.Stat_t).Ino))
}

// Close lets go of the file at once, whatever is reachable, and keeps no address space for what
// nothing can touch. Where handles lead to there is memory until the last of them has gone, and not
// longer.
func TestCloseLetsGoOfTheFile(t *testing.T) {
	const size = 1 << 30
	keeper := fresh(t, Config{Size: size})
	s, err := Open(keeper.Path())
	if err != nil {
		t.Fatal(err)
	}
	if mapped(t, keeper) != 2 {
		t.Fatalf("%d mappings of the file before Close", mapped(t, keeper))
	}
	o := made(t, s, "a", 5000000)
	m := lock.NewMutex(s.Party(), made(t, s, "lock", 64).Payload, 0)
	before := addressSpace(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := mapped(t, keeper); n != 1 {
		t.Errorf("%d mappings of the file after Close", n)
	}
	if given := before - addressSpace(t); given < size/2 {
		t.Errorf("%d bytes of address space were given back", given)
	}
	if blanks(t) == 0 {
		t.Error("nothing is mapped where handles lead to")
	}
	s = nil
	for range 5 {
		runtime.GC()
	}
	if o.Payload[4999999] != 0 || m.Held() {
		t.Error("what handles lead to is not empty")
	}
	runtime.KeepAlive(o)
	runtime.KeepAlive(m)
	o, m = nil, nil
	settles(t, func() bool { return blanks(t) == 0 }, "unmapped when all handles have gone")
}

// blanks is how many mappings this process has in place of segments that it has closed.
func blanks(t testing.TB) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "shmkit-closed")
}

// addressSpace is how many bytes this process has mapped, in whatever way.
func addressSpace(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var pages int
	if _, err := fmt.Sscan(string(b), &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
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
	// reachable to the end, as those of a user's handles are: Close asks no others
	var objects []*Object
	defer func() { runtime.KeepAlive(objects) }()
	looks := 0 // of Close at the lock "free", which is in an operation that ends after the first
	lockOf := func(seg *Segment, name string) *lock.Mutex {
		o := made(t, seg, name, 64)
		objects = append(objects, o)
		return o.Local(func() (any, func() bool) {
			m := lock.NewMutex(seg.Party(), o.Payload, 0)
			if seg != s || name != "free" {
				return m, m.Held
			}
			return m, func() bool {
				if looks++; looks == 2 {
					m.Unlock()
				}
				return m.Held()
			}
		}).(*lock.Mutex)
	}
	held, free := lockOf(s, "held"), lockOf(s, "free")
	for _, m := range []*lock.Mutex{held, free} {
		if err := m.Lock(bounded(t)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	err := s.Close()
	var h *HeldError
	if !errors.As(err, &h) || len(h.Objects) != 1 || h.Objects[0] != "held" || h.Segment != s.Path() {
		t.Errorf("%v", err)
	}
	wantError(t, err, err, s.Path(), `"held"`, "is told so")
	if waited := time.Since(began); waited < closePatience { //clock: at least so long
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
	lockOf(other, "held").TryMarkConsistent()
	lockOf(other, "held").Unlock()
	lockOf(other, "free").Unlock()
}

// roleCramped closes the segment args[0] while it has no address space left, with a lock held if
// args[1] says so.
var roleCramped = proctest.Register("cramped", func(args []string) {
	s, err := Open(args[0])
	if err != nil {
		panic(err)
	}
	o, _, err := s.New(rawSpec("shared", 64))
	if err != nil {
		panic(err)
	}
	m := o.Local(func() (any, func() bool) {
		m := lock.NewMutex(s.Party(), o.Payload, 0)
		return m, m.Held
	}).(*lock.Mutex)
	if args[1] == "held" {
		if err := m.TryLock(); err != nil {
			panic(err)
		}
	}
	var all unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &all); err != nil {
		panic(err)
	}
	makeThreads()
	none := all
	none.Cur = 1 << 20
	if err := unix.Setrlimit(unix.RLIMIT_AS, &none); err != nil {
		panic(err)
	}
	err = s.Close()
	if again := s.Close(); again != nil {
		panic(again)
	}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &all); err != nil {
		panic(err)
	}
	proctest.Say("%q", err)
	for command := proctest.Hear(); command == "write"; command = proctest.Hear() {
		fill(o.Payload, 0xee) // others see it, so that it must stay this process's
		proctest.Say("written")
	}
	runtime.KeepAlive(o)
	s, o, m = nil, nil, nil
	for {
		runtime.GC()
		proctest.Say("collected")
		proctest.Hear()
	}
})

// makeThreads has the runtime make more threads than it will need: it cannot make one without
// address space.
func makeThreads() {
	var started, ended sync.WaitGroup
	end := make(chan struct{})
	for range 16 {
		started.Add(1)
		ended.Go(func() {
			runtime.LockOSThread()
			started.Done()
			<-end
			runtime.UnlockOSThread() // the thread stays, idle
		})
	}
	started.Wait()
	close(end)
	ended.Wait()
	runtime.GC()
}

// Where the mapping cannot be replaced Close says so, and nothing that the process may still write
// to is reused.
func TestCloseKeepsWhatItCannotLeave(t *testing.T) {
	for _, held := range []string{"held", "free"} {
		s := fresh(t, small)
		mine := made(t, s, "shared", 64)
		child := proctest.Start(t, roleCramped, s.Path(), held)
		want := "stays attached"
		if held == "held" {
			want = "nobody gets them before this process ends"
		}
		if said := child.Line(); !strings.Contains(said, want) || !strings.Contains(said, s.Path()) {
			t.Errorf("%s: Close says %s", held, said)
		}
		m := lock.NewMutex(s.Party(), mine.Payload, 0)
		if err := m.TryLock(); (held == "held") != errors.Is(err, lock.ErrLocked) {
			t.Errorf("%s: the lock: %v", held, err)
		} else if err == nil {
			m.Unlock()
		}
		if err := s.Remove("shared"); err != nil {
			t.Fatal(err)
		}
		mine.Abandon()
		o := made(t, s, "another", 64)
		child.Send("write")
		child.Expect("written")
		if o.Payload[0] != 0 || retired(t, s) != 1 {
			t.Errorf("%s: what may still be written to was reused", held)
		}
		child.Send("let go")
		child.Expect("collected")
		if held == "free" {
			settles(t, func() bool {
				child.Send("again")
				child.Expect("collected")
				return retired(t, s) == 0
			}, "the process has left the segment")
		}
		child.Kill()
		checked(t, s)
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
			proctest.Eventually(t, proctest.Hang, s.Closed, "the close begins")
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

// An operation that looks at the segment after Close has let go of it finds empty memory. What it
// concludes is that the segment is closed, and not that the object is missing or the segment
// damaged.
func TestConclusionsFromClosedSegment(t *testing.T) {
	s := fresh(t, small)
	o := made(t, s, "a", 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	spec := rawSpec("a", 100)
	for name, look := range map[string]func() error{
		"find":     func() error { _, _, err := s.find(t.Context(), "a"); return err },
		"notFound": func() error { return s.notFound("a") },
		"open": func() error {
			_, err := s.open(o.index, o.serial<<directory.SerialShift|directory.StateLive)
			return err
		},
		"openAt":    func() error { _, err := s.openAt(o.place); return err },
		"reachable": o.reachable,
		"view":      func() error { _, err := s.view(o.index, o.serial); return err },
		"retag":     func() error { return o.Adopt(4096, 1) },
		"allocate":  func() error { _, err := s.dir.Alloc(100, 1, true); return err },
		"walk":      func() error { return s.dir.EachUsed(func(_, _, _ uint64) bool { return true }) },
		"room":      func() error { _, err := s.dir.Room(); return err },
		"bytes":     func() error { _, err := s.Bytes(4096, 1); return err },
		"create":    func() error { _, err := s.create(t.Context(), spec); return err },
		"check":     func() error { _, err := s.Check(); return err },
	} {
		if err := look(); !errors.Is(err, lock.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
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
	for range rounds {
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
			func(i int) error { _, err := s.openAt(o.place); return err },
		} {
			wg.Go(func() {
				for i := 0; ; i++ {
					err := op(i)
					if errors.Is(err, lock.ErrClosed) {
						return
					}
					// only what is removed may be
					missing := n == 2 && errors.Is(err, fs.ErrNotExist)
					if err != nil && !missing && !directory.LacksRoom(err) {
						t.Errorf("operation %d: %v", n, err)
						return
					}
					if i > 0 && s.Closed() && n == 6 {
						return
					}
				}
			})
		}
		proctest.Stagger(time.Millisecond)
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
