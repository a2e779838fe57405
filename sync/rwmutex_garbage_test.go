//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/segment"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Whatever bytes stand in the lock, every call ends, at the latest with its context, and nothing
// panics but an unlock that says so. Put right, the lock is usable.
func TestRWMutexGarbage(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		seg := newSegment(t)
		m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
		other := newRWMutexIn(t, openAgain(t, seg), shmsync.RWMutexOptions{})
		o, err := segment.Of(seg).Open(segment.Spec{Name: "a", Kind: segment.KindRWMutex, Size: segment.AnySize})
		must(err)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { rwFumble(t, []*shmsync.RWMutex{m, other}[i%2], stop) })
		}
		for range 60 {
			at := rnd.IntN(64)
			if rnd.IntN(2) == 0 {
				at = rnd.IntN(len(o.Payload))
			}
			o.Payload[at] = byte(rnd.Uint32() >> (rnd.IntN(2) * 28)) // often a small one
			runtime.Gosched()
		}
		close(stop)
		wg.Wait()
		clear(o.Payload)
		for range 2 {
			for _, h := range []*shmsync.RWMutex{m, other} {
				wantErr(t, "RLock of the zeroed lock", rwWithin(soon, h.RLock), nil)
				wantErr(t, "TryLock of the read-locked lock", m.TryLock(), shmsync.ErrLocked)
				h.RUnlock()
				wantErr(t, "Lock of the zeroed lock", rwWithin(soon, h.Lock), nil)
				h.Unlock()
			}
		}
	}
}

// rwFumble uses m in all ways.
func rwFumble(t *testing.T, m *shmsync.RWMutex, stop <-chan struct{}) {
	timed := func(what string, f func(context.Context) error, unlock func()) {
		//clock: with such words it may wait for ever
		ctx, cancel := context.WithTimeout(background, 300*time.Microsecond)
		defer cancel()
		began := time.Now()
		if err := f(ctx); err == nil {
			rwOrPanic(t, unlock)
		}
		if took := time.Since(began); took > hangs {
			t.Errorf("%s took %v", what, took)
		}
	}
	for !isClosed(stop) {
		timed("Lock", m.Lock, m.Unlock)
		timed("RLock", m.RLock, m.RUnlock)
		timed("TryLock", func(context.Context) error { return m.TryLock() }, m.Unlock)
		timed("TryRLock", func(context.Context) error { return m.TryRLock() }, m.RUnlock)
		for _, f := range []func(){m.Unlock, m.RUnlock} {
			rwOrPanic(t, f)
		}
		runtime.Gosched()
	}
}

func rwOrPanic(t *testing.T, f func()) {
	defer func() {
		if p := recover(); p != nil && !strings.Contains(fmt.Sprint(p), "does not hold the lock") {
			t.Errorf("panic: %v", p)
		}
	}()
	f()
}
