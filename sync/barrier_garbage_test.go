//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// payloadOf is the shared memory of an object.
func payloadOf(t testing.TB, seg *shm.Segment, name string, kind segment.Kind) []byte {
	t.Helper()
	o, err := segment.Of(seg).Open(segment.Spec{Name: name, Kind: kind, Size: segment.AnySize})
	if err != nil {
		t.Fatal(err)
	}
	return o.Payload
}

// Whatever the bytes of a barrier are, no call panics, faults, or outlasts its context.
func TestBarrierGarbage(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{Action: func() error { return nil }})
	mem := payloadOf(t, seg, "b", segment.KindBarrier)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		for i := range mem {
			switch round % 3 {
			case 0:
				mem[i] = byte(random.Uint32())
			case 1:
				mem[i] = 0xff
			default:
				if random.IntN(8) == 0 {
					mem[i] ^= 1 << random.IntN(8)
				}
			}
		}
		//clock: with such words it may wait for ever
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		for range 2 {
			b.Wait(ctx)
			b.Waiting()
			b.Broken()
			b.Reset()
		}
		b.Abort()
		cancel()
		if _, err := shmsync.NewBarrier(seg, "b", 3, shmsync.BarrierOptions{}); err != nil && !errors.Is(err, shm.ErrCorrupt) && !errors.Is(err, shm.ErrMismatch) {
			t.Errorf("another handle: %v", err)
		}
	}
	clear(mem)
	_, err := shmsync.OpenBarrier(seg, "b", shmsync.BarrierOptions{})
	wantErr(t, "open one for no parties", err, shm.ErrCorrupt)
	mem[48] = 3
	fresh := newBarrier(t, openAgain(t, seg), 3, shmsync.BarrierOptions{})
	if fresh.Broken() {
		t.Error("zeros are not a whole barrier")
	}
	for i := range mem[32:48] {
		mem[32+i] = 0xff // the lock that a process takes to become a party
	}
	_, err = shmsync.OpenBarrier(openAgain(t, seg), "b", shmsync.BarrierOptions{})
	wantErr(t, "become a party with a damaged lock, which counts as one of a dead process", err, nil)
}
