//go:build linux

package shmsync_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	shmsync "github.com/shmkit/shmkit/sync"
)

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

// Whatever the bytes are, no call faults, or outlasts its context, nor panics but for an Unlock of
// what is not held.
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
		//clock: with such words it may wait for ever
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		for _, err := range []error{m.Lock(ctx, h), m.TryLock(h), m.Lock(ctx, h)} {
			if err == nil {
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
