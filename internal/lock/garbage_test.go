//go:build linux

package lock

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// FuzzGarbage writes the fuzzer's bytes over a lock, eight at a time, while goroutines use it.
// Whatever the bytes are, every call ends, at the latest with its context, and nothing panics but
// an Unlock that says so.
func FuzzGarbage(f *testing.F) {
	for _, seed := range []string{
		"", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x00\x00\x01\x00\x00\x00", "\x01\x04\x00\x80\x00\x00\x00\x00",
		"\x01\x04\x00\x40\x03\x00\x00\x00", "\xff\xff\xff\x3f\x00\x00\x00\x00", "\x00\x00\x00\xc0\xff\xff\xff\xff",
	} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed+seed+seed), uint8(8))
	}
	f.Fuzz(func(t *testing.T, garbage []byte, at uint8) {
		path := newRoom(t)
		r := visit(t, path)
		other := enterRoom(path)
		defer other.Leave()
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for i, m := range []*Mutex{r.mutex(0), other.mutex(0), NewMutex(other.party, other.Cell(0), wait.Spinning)} {
			wg.Go(func() { fumble(t, m, i, stop) })
		}
		for i := 0; i+8 <= len(garbage) && i < 128; i += 8 {
			proctest.Stagger(400 * time.Microsecond) // so that the words are used
			scribble(r.Cell(0)[at&8:], garbage[i:i+8])
		}
		proctest.Stagger(2 * time.Millisecond) // so that the words are used
		close(stop)
		wg.Wait()
	})
}

// scribble writes as a stray pointer would, a byte at a time.
func scribble(mem, garbage []byte) { copy(mem[:8], garbage) }

// fumble uses m in all ways.
func fumble(t *testing.T, m *Mutex, i int, stop <-chan struct{}) {
	for n := i; !isClosed(stop); n++ {
		within(t, "Lock", func() {
			//clock: with such words it may wait for ever
			ctx, cancel := context.WithTimeout(background, 300*time.Microsecond)
			defer cancel()
			if err := m.Lock(ctx); err == nil || errors.Is(err, ErrOwnerDied) {
				unlockOrPanic(t, m)
			}
		})
		within(t, "TryLock", func() {
			if err := m.TryLock(); err == nil || errors.Is(err, ErrOwnerDied) {
				if n%2 == 0 {
					unlockOrPanic(t, m)
				}
			}
		})
		within(t, "Unlock", func() { unlockOrPanic(t, m) })
		runtime.Gosched()
	}
}

func within(t *testing.T, what string, f func()) {
	began := time.Now()
	f()
	if took := time.Since(began); took > hangs {
		t.Errorf("%s took %v", what, took)
	}
}

func unlockOrPanic(t *testing.T, m *Mutex) {
	defer func() {
		if p := recover(); p != nil && !strings.Contains(fmt.Sprint(p), "does not hold the lock") {
			t.Errorf("panic: %v", p)
		}
	}()
	m.Unlock()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A process that writes the id of another over a free lock makes it look held, and Held does not
// wait for an Unlock.
func TestHeldOfOverwrittenLock(t *testing.T) {
	r := visit(t, newRoom(t))
	m := r.mutex(0)
	for look := 0; !futex.Registered() && look < 1000; look++ {
		time.Sleep(time.Millisecond) // where membarriers work, the fast Unlock comes then
	}
	if err := m.Lock(context.Background()); err != nil {
		t.Fatal(err)
	}
	m.Unlock()
	m.r.word.Store(m.me)
	r.party.Closer.Close()
	began := time.Now()
	if !m.Held() {
		t.Error("the lock names this process, and does not count as held")
	}
	if took := time.Since(began); took > hangs {
		t.Errorf("took %v", took)
	}
}

// An Unlock of a lock whose word was overwritten is no misuse: it changes nothing and does not
// panic. The next one is.
func TestUnlockOfOverwrittenLock(t *testing.T) {
	if race.Enabled {
		t.Skip("with the race detector a process keeps no record of its locks")
	}
	r := visit(t, newRoom(t))
	m := r.mutex(0)
	for _, garbage := range []uint32{0, 1, handed | m.me, inconsistent, 1<<32 - 1} {
		for _, slow := range []bool{false, true} {
			*m.r = MutexRegion{}
			if err := m.Lock(background); err != nil {
				t.Fatal(err)
			}
			if slow {
				m.r.bell.word.Store(armed)
			}
			m.r.word.Store(garbage)
			if !m.TryUnlock() {
				t.Errorf("%#x: Unlock of an overwritten lock reports misuse", garbage)
			}
			if w := m.r.word.Load(); w != garbage {
				t.Errorf("%#x: Unlock has made it %#x", garbage, w)
			}
			if m.TryUnlock() {
				t.Errorf("%#x: a second Unlock reports no misuse", garbage)
			}
		}
	}
	*m.r = MutexRegion{}
	for _, slow := range []bool{false, true} { // without garbage, too, one Unlock is enough
		if err := m.Lock(background); err != nil {
			t.Fatal(err)
		}
		if slow {
			m.r.bell.word.Store(armed)
		}
		if !m.TryUnlock() || m.TryUnlock() {
			t.Error("one Unlock is not enough, or two are right")
		}
	}
}
