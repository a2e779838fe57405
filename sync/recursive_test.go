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
	"slices"
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

func newRecursive(t testing.TB, seg *shm.Segment) *shmsync.RecursiveMutex {
	t.Helper()
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// recursive-agent: SEGMENT. It has one holder. Orders: lock, try, unlock, mark; repair (a lock with a Repair function);
// deep N (as many locks); close.
var recursiveAgent = proctest.Register("recursive-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	must(err)
	repairing, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{Repair: func() error { return nil }})
	must(err)
	h := shmsync.NewHolder()
	proctest.Say("ready")
	for {
		var order string
		var n int
		fmt.Sscan(proctest.Hear(), &order, &n)
		var err error
		switch order {
		case "lock":
			err = m.Lock(background, h)
		case "try":
			err = m.TryLock(h)
		case "repair":
			err = repairing.Lock(background, h)
		case "deep":
			for range n {
				err = errors.Join(err, m.Lock(background, h))
			}
		case "unlock":
			m.Unlock(h)
		case "mark":
			m.MarkConsistent(h)
		case "close":
			if err = seg.Close(); errors.As(err, new(*shm.HeldError)) {
				proctest.Say("held")
				continue
			}
		}
		proctest.Say("%s", verdict(err))
	}
})

func startRecursiveAgent(t testing.TB, seg *shm.Segment) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, recursiveAgent, seg.Path())
	c.Expect("ready")
	return c
}

// A holder locks as often as it likes, and has the lock until it has unlocked as often. Other holders of the same process wait as
// those of other processes do.
func TestRecursive(t *testing.T) {
	seg := newSegment(t)
	m, again := newRecursive(t, seg), newRecursive(t, seg)
	one, two := shmsync.NewHolder(), shmsync.NewHolder()
	other := startRecursiveAgent(t, seg)
	for range 2 {
		for range 3 {
			wantErr(t, "lock", m.Lock(background, one), nil)
			wantErr(t, "try by the same holder, at another handle", again.TryLock(one), nil)
		}
		for range 6 {
			wantErr(t, "try by another holder", m.TryLock(two), shmsync.ErrLocked)
			told(t, other, "try", "locked")
			wantPanic(t, "Unlock by another holder", "does not have it locked", func() { m.Unlock(two) })
			m.Unlock(one)
		}
		wantPanic(t, "one Unlock too many", "does not have it locked", func() { m.Unlock(one) })
		told(t, other, "deep 3", "ok")
		for range 3 {
			wantErr(t, "try while another process has it", m.TryLock(one), shmsync.ErrLocked)
			told(t, other, "unlock", "ok")
		}
	}
	wantErr(t, "lock", m.Lock(background, one), nil)
	waiter := proctest.MustBlock(t, func() {
		must(m.Lock(background, two))
		m.Unlock(two)
	})
	other.Send("lock")
	m.Unlock(one)
	other.Expect("ok")
	told(t, other, "unlock", "ok")
	<-waiter
	if m.Name() != "r" {
		t.Errorf("name %q", m.Name())
	}
	other.Kill()
}

// What cannot be asked of it: nothing changes.
func TestRecursiveBadInput(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	h := shmsync.NewHolder()
	wantErr(t, "lock for nobody", m.Lock(background, nil), fs.ErrInvalid)
	wantErr(t, "try for nobody", m.TryLock(nil), fs.ErrInvalid)
	for what, f := range map[string]func(){
		"Unlock for nobody":              func() { m.Unlock(nil) },
		"MarkConsistent for nobody":      func() { m.MarkConsistent(nil) },
		"Unlock of a free lock":          func() { m.Unlock(h) },
		"MarkConsistent of a free lock":  func() { m.MarkConsistent(h) },
		"Unlock of a free HolderMutex":   m.As(h).Unlock,
		"MarkConsistent of one":          m.As(h).MarkConsistent,
		"Lock of a Locker of nobody":     m.As(nil).Locker().Lock,
		"Unlock of a Locker of a holder": m.As(h).Locker().Unlock,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", what)
				}
			}()
			f()
		}()
	}
	wantErr(t, "then", m.TryLock(h), nil)
	m.Unlock(h)
}

// A context's end, here and while another process holds the lock. A lock that is held already needs no time.
func TestRecursiveContext(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	one, two := shmsync.NewHolder(), shmsync.NewHolder()
	ended, cancel := context.WithCancelCause(background)
	cancel(errOnce)
	wantErr(t, "a free lock", m.Lock(ended, one), nil)
	wantErr(t, "once more", m.Lock(ended, one), nil)
	wantErr(t, "for another holder", m.Lock(ended, two), errOnce)
	short, stop := context.WithTimeout(background, 10*time.Millisecond)
	defer stop()
	wantErr(t, "for another holder that waits", m.Lock(short, two), context.DeadlineExceeded)
	m.Unlock(one)
	m.Unlock(one)
	wantErr(t, "in the end", m.TryLock(two), nil)
	m.Unlock(two)
}

// The holder is killed at depth 3: the next one is told, whether it waits or comes later, has the lock once, and can
// mend it or leave it for good.
func TestRecursiveHolderDies(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		seg := newSegment(t)
		m := newRecursive(t, seg)
		h := shmsync.NewHolder()
		for range int(longer(4)) {
			victim := startRecursiveAgent(t, seg)
			told(t, victim, "deep 3", "ok")
			got := make(chan error)
			lock := func() { got <- m.Lock(background, h) }
			if waiting {
				go lock()
				time.Sleep(5 * time.Millisecond)
			}
			began := time.Now()
			victim.Kill()
			if !waiting {
				go lock()
			}
			err := <-got
			if took := time.Since(began); took > soon {
				t.Errorf("told after %v", took)
			}
			var died *shmsync.OwnerDiedError
			if !errors.As(err, &died) || died.PID != victim.PID() {
				t.Fatalf("who locks next: %v, want the death of %d", err, victim.PID())
			}
			wantErr(t, "once more", m.Lock(background, h), nil)
			m.Unlock(h)
			wantPanic(t, "MarkConsistent by another", "does not have it locked", func() { m.MarkConsistent(shmsync.NewHolder()) })
			m.MarkConsistent(h)
			m.Unlock(h)
			wantErr(t, "marked consistent", m.Lock(background, h), nil)
			m.Unlock(h)
		}
		victim, other := startRecursiveAgent(t, seg), startRecursiveAgent(t, seg)
		told(t, victim, "deep 3", "ok")
		victim.Kill()
		told(t, other, "repair", "ok")
		told(t, other, "unlock", "ok")
		told(t, other, "lock", "ok")
		other.Kill()
		wantErr(t, "not repaired", m.Lock(background, h), shmsync.ErrOwnerDied)
		m.Unlock(h)
		wantErr(t, "nor marked", m.Lock(background, h), shmsync.ErrNotRecoverable)
		wantErr(t, "nor marked", m.TryLock(h), shmsync.ErrNotRecoverable)
		wantPanic(t, "Unlock", "does not have it locked", func() { m.Unlock(h) })
	}
}

// A waiter dies, and one whose repair fails: the others go on.
func TestRecursiveOthersDie(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	h := shmsync.NewHolder()
	wantErr(t, "lock", m.Lock(background, h), nil)
	waiter := startRecursiveAgent(t, seg)
	waiter.Send("lock")
	time.Sleep(5 * time.Millisecond)
	waiter.Kill()
	m.Unlock(h)
	wantErr(t, "after a waiter has died", m.Lock(background, h), nil)
	m.Unlock(h)

	victim := startRecursiveAgent(t, seg)
	told(t, victim, "deep 2", "ok")
	victim.Kill()
	failing, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{Repair: func() error { return errOnce }})
	must(err)
	wantErr(t, "a repair that fails", failing.Lock(background, h), errOnce)
	wantPanic(t, "a Locker", "died", m.As(h).Locker().Lock)
	wantPanic(t, "Unlock after that", "does not have it locked", func() { m.Unlock(h) })
	wantErr(t, "the next", m.Lock(background, h), shmsync.ErrOwnerDied)
	m.MarkConsistent(h)
	m.Unlock(h)
}

// Two processes that would wait for each other: the second is told, if it has asked to be, and has nothing more than before.
func TestRecursiveDeadlock(t *testing.T) {
	seg := newSegment(t)
	mine, err := shmsync.NewRecursiveMutex(seg, "mine", shmsync.MutexOptions{})
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{DetectDeadlock: true})
	must(err)
	h := shmsync.NewHolder()
	wantErr(t, "lock mine", mine.Lock(background, h), nil)
	c := proctest.Start(t, recursiveCrosser, seg.Path())
	c.Expect("has r")
	proctest.Eventually(t, 10*soon, func() bool {
		report, err := shmsync.Blocked(seg)
		must(err)
		return len(report.Waits) == 1
	}, "the other waits")
	err = m.Lock(background, h)
	wantErr(t, "close the cycle", err, shmsync.ErrDeadlock)
	wantPanic(t, "Unlock after that", "does not have it locked", func() { m.Unlock(h) })
	mine.Unlock(h)
	wantErr(t, "then", m.Lock(background, h), nil)
	m.Unlock(h)
	c.WaitOK()
}

// recursive-crosser: SEGMENT. It locks r, then mine.
var recursiveCrosser = proctest.Register("recursive-crosser", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	mine, err := shmsync.NewRecursiveMutex(seg, "mine", shmsync.MutexOptions{})
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	must(err)
	h := shmsync.NewHolder()
	must(m.Lock(background, h))
	proctest.Say("has r")
	must(mine.Lock(background, h))
	mine.Unlock(h)
	m.Unlock(h)
})

// A Cond takes a RecursiveMutex together with its holder.
func TestRecursiveWithCond(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	c, err := shmsync.NewCond(seg, "c", shmsync.CondOptions{})
	must(err)
	l := m.As(shmsync.NewHolder())
	must(l.Lock(background))
	ready := false
	waiter := proctest.MustBlock(t, func() { must(c.WaitFor(background, l, func() bool { return ready })) })
	other := m.As(shmsync.NewHolder())
	wantErr(t, "lock while one waits", other.Lock(background), nil)
	ready = true
	other.Unlock()
	c.Signal()
	<-waiter
	wantErr(t, "who has waited has the lock", other.TryLock(), shmsync.ErrLocked)
	l.Unlock()
}

// Close with the lock held, by another process and by this one.
func TestRecursiveClosed(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	h := shmsync.NewHolder()
	other := startRecursiveAgent(t, seg)
	told(t, other, "deep 2", "ok")
	got := make(chan error)
	mine := openAgain(t, seg)
	c := newRecursive(t, mine)
	go func() { got <- c.Lock(background, shmsync.NewHolder()) }()
	time.Sleep(5 * time.Millisecond)
	wantErr(t, "close", mine.Close(), nil)
	wantErr(t, "who waited there", <-got, shmsync.ErrClosed)
	told(t, other, "close", "held")
	told(t, other, "unlock", "ok") // reaches nobody
	told(t, other, "lock", "closed")
	told(t, other, "mark", "ok")
	wantErr(t, "who comes later", m.Lock(background, h), shmsync.ErrOwnerDied)
	m.MarkConsistent(h)
	m.Unlock(h)

	again := openAgain(t, seg)
	held := newRecursive(t, again)
	wantErr(t, "lock", held.Lock(background, h), nil)
	wantErr(t, "lock", held.Lock(background, h), nil)
	var e *shm.HeldError
	if err := again.Close(); !errors.As(err, &e) || !slices.Equal(e.Objects, []string{"r"}) {
		t.Errorf("close: %v", err)
	}
	wantErr(t, "once more after Close", held.Lock(background, h), shmsync.ErrClosed)
	wantErr(t, "try after Close", held.TryLock(h), shmsync.ErrClosed)
	held.MarkConsistent(h)
	for range 4 {
		held.Unlock(h)
	}
	_, err := shmsync.OpenRecursiveMutex(again, "r", shmsync.MutexOptions{})
	wantErr(t, "open after Close", err, shmsync.ErrClosed)
	other.Kill()
}

// A32: new, open, and new once more, and what is of another kind; as bytes.
func TestRecursiveHandles(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	m := newRecursive(t, seg)
	_, err = shmsync.OpenRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	wantErr(t, "open what is there", err, nil)
	newMutex(t, seg, "m")
	if _, err := shmsync.NewRecursiveMutex(seg, "m", shmsync.MutexOptions{}); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("make what is a Mutex: %v", err)
	}
	if _, err := shmsync.NewMutex(seg, "r", shmsync.MutexOptions{}); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a RecursiveMutex as a Mutex: %v", err)
	}
	b, err := m.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	h := shmsync.NewHolder()
	wantErr(t, "lock", m.Lock(background, h), nil)
	c := proctest.Start(t, recursiveUnmarshaler, base64.StdEncoding.EncodeToString(b))
	c.Expect("r locked")
	m.Unlock(h)
	c.Expect("ok")
	c.WaitOK()
	var same shmsync.RecursiveMutex
	wantErr(t, "unmarshal in the same process", same.UnmarshalBinary(b), nil)
	wantErr(t, "lock", m.Lock(background, h), nil)
	wantErr(t, "lock it by the other handle", same.TryLock(h), nil)
	m.Unlock(h)
	same.Unlock(h)
}

var recursiveUnmarshaler = proctest.Register("recursive-unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var m shmsync.RecursiveMutex
	must(m.UnmarshalBinary(b))
	h := shmsync.NewHolder()
	proctest.Say("%s %s", m.Name(), verdict(m.TryLock(h)))
	proctest.Say("%s", verdict(m.Lock(background, h)))
	m.Unlock(h)
})

// A program that guards an ordinary variable with it has no race, whichever way it locks.
func TestRecursiveOrders(t *testing.T) {
	seg := newSegment(t)
	handles := []*shmsync.RecursiveMutex{newRecursive(t, seg), newRecursive(t, seg)}
	n := 0
	const goroutines, rounds = 6, 300
	var wg sync.WaitGroup
	for i := range goroutines {
		m, h := handles[i%2], shmsync.NewHolder()
		wg.Go(func() {
			for range rounds {
				switch i {
				case 0:
					for m.TryLock(h) != nil {
					}
				case 1:
					m.As(h).Locker().Lock()
				default:
					must(m.As(h).Lock(background))
				}
				must(m.Lock(background, h))
				n++
				m.Unlock(h)
				n++
				m.As(h).Unlock()
			}
		})
	}
	wg.Wait()
	if n != 2*goroutines*rounds {
		t.Errorf("counted to %d, want %d", n, 2*goroutines*rounds)
	}
}

func TestRecursiveNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	m, h := newRecursive(t, newSegment(t)), shmsync.NewHolder()
	l := m.As(h)
	if n := testing.AllocsPerRun(1000, func() {
		must(m.Lock(background, h))
		must(m.TryLock(h))
		must(l.Lock(background))
		l.Unlock()
		m.Unlock(h)
		m.Unlock(h)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever the bytes are, no call faults, or outlasts its context, nor panics but for an Unlock of what is not held.
func TestRecursiveGarbage(t *testing.T) {
	seg := newSegment(t)
	m, h := newRecursive(t, seg), shmsync.NewHolder()
	mem := payloadOf(t, seg, "r", segment.KindRecursiveMutex)
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
		for _, err := range []error{m.Lock(ctx, h), m.TryLock(h), m.Lock(ctx, h)} {
			if err == nil || errors.Is(err, shmsync.ErrOwnerDied) {
				m.Unlock(h)
			}
		}
		cancel()
		clear(mem)
		wantErr(t, "lock", m.Lock(background, h), nil)
		scribble()
		wantErr(t, "again", m.Lock(background, h), nil)
		m.Unlock(h)
		m.Unlock(h)
	}
	clear(mem)
	wantErr(t, "in the end", m.TryLock(h), nil)
	m.Unlock(h)
}

// recursive-crowd: SEGMENT. 10,000 goroutines, each with a holder of its own, lock twice; half of them until they are told.
var recursiveCrowded = proctest.Register("recursive-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	must(err)
	ctx, cancel := context.WithCancel(background)
	var wg sync.WaitGroup
	var began, locked, canceled atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			h, mine := shmsync.NewHolder(), background
			if i%2 == 1 {
				mine = ctx
			}
			switch err := m.Lock(mine, h); {
			case err == nil:
				must(m.Lock(background, h))
				locked.Add(1)
				m.Unlock(h)
				m.Unlock(h)
			case errors.Is(err, context.Canceled):
				canceled.Add(1)
			default:
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
	proctest.Say("%d", locked.Load())
})

func TestRecursiveCrowd(t *testing.T) {
	seg := newSegment(t)
	m, h := newRecursive(t, seg), shmsync.NewHolder()
	wantErr(t, "lock", m.Lock(background, h), nil)
	c := proctest.Start(t, recursiveCrowded, seg.Path())
	var n int
	if fmt.Sscan(c.Line(), &n); n < 1 || n > 16 {
		t.Errorf("while all wait the process has %d threads", n)
	}
	c.Send("cancel")
	c.Expect("canceled")
	m.Unlock(h)
	c.Expect(fmt.Sprint(crowd / 2))
	c.WaitOK()
	wantErr(t, "in the end", m.TryLock(h), nil)
	m.Unlock(h)
}

// A function that locks what it changes calls another that does the same.
func ExampleRecursiveMutex() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	mu, err := shmsync.NewRecursiveMutex(seg, "ledger", shmsync.MutexOptions{})
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := shm.NewRawArray[int64](seg, "accounts", 2)
	if err != nil {
		log.Fatal(err)
	}
	deposit := func(h *shmsync.Holder, account int, amount int64) error {
		if err := mu.Lock(context.Background(), h); err != nil {
			return err
		}
		defer mu.Unlock(h)
		accounts.Slice()[account] += amount
		return nil
	}
	move := func(h *shmsync.Holder, from, to int, amount int64) error {
		if err := mu.Lock(context.Background(), h); err != nil {
			return err
		}
		defer mu.Unlock(h)
		if err := deposit(h, from, -amount); err != nil { // which locks it once more
			return err
		}
		return deposit(h, to, amount)
	}

	h := shmsync.NewHolder()
	fmt.Println(move(h, 0, 1, 5), accounts.Slice())
	// Output: <nil> [-5 5]
}
