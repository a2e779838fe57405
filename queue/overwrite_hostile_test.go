package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/ring/seqlock"
	"github.com/shmkit/shmkit/shm"
)

// Whatever words the memory holds: no panic, no fault, no loop without end.
func TestOverwritingHostile(t *testing.T) {
	words := []uint64{0, 1, 2, 3, 255, 1 << 31, 1<<32 - 1, 1 << 62, 1<<63 - 1, 1 << 63, ^uint64(0), ^uint64(0) - 1}
	for range 300 {
		b := newBroadcast[int64](t, 4, overwriting)
		mustBroadcast(t, b, 1, 2, 3)
		r := b.mustSubscribe(FromOldest)
		for range 1 + rand.IntN(4) {
			off := 8 + 8*rand.IntN((len(b.o.Payload)-8)/8)
			binary.NativeEndian.PutUint64(b.o.Payload[off:], words[rand.IntN(len(words))])
		}
		ctx, cancel := context.WithDeadline(background, time.Now())
		for range 6 {
			_, get := r.Get(ctx)
			_, latest := b.Latest()
			for _, err := range []error{get, latest, b.Put(background, 4)} {
				if !acceptable(err) && !errors.Is(err, ErrLapped) && !errors.Is(err, ErrRoleTaken) {
					t.Fatal(err)
				}
			}
			r = b.mustSubscribe(Start(rand.IntN(2)))
		}
		cancel()
	}
	b := newBroadcast[int64](t, 4, overwriting)
	binary.NativeEndian.PutUint64(b.o.Payload, 5)
	if _, err := seqlock.View(b.o, 8); !errors.Is(err, shm.ErrCorrupt) {
		t.Errorf("a wrong capacity: %v", err)
	}
}

func TestOverwritingBadInput(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	if _, err := NewBroadcast[int64](seg, "b", 0, overwriting); err == nil {
		t.Error("capacity 0 is taken")
	}
	if _, err := NewBroadcast[string](seg, "b", 1, overwriting); err == nil {
		t.Error("strings are taken")
	}
	_, err := NewBroadcast[int64](seg, "b", 4, overwriting)
	wantErr(t, err, nil)
	_, err = NewBroadcast[int64](seg, "b", 8, overwriting)
	wantErr(t, err, shm.ErrMismatch)
	_, err = OpenBroadcast[int32](seg, "b", Options{})
	wantErr(t, err, shm.ErrMismatch)
	_, err = OpenQueue[int64](seg, "b", Options{})
	wantErr(t, err, shm.ErrMismatch)
	b, err := OpenBroadcast[int64](seg, "b", Options{})
	wantErr(t, err, nil)
	data, err := b.MarshalBinary()
	wantErr(t, err, nil)
	var again Broadcast[int64]
	wantErr(t, again.UnmarshalBinary(data), nil)
	r := again.mustSubscribe(FromNewest)
	mustBroadcast(t, b, 5)
	mustRead(t, r, 5)
}
