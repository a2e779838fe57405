package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// acceptable reports whether an operation may return err after the memory of the queue was
// overwritten.
func acceptable(err error) bool {
	for _, e := range []error{ErrFull, ErrEmpty, ErrClosed, shm.ErrCorrupt, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return err == nil
}

// useAll does each operation; none may fault, fail in an unknown way, or last.
func useAll(t *testing.T, q *Queue[uint64]) {
	t.Helper()
	ctx, cancel := context.WithDeadline(background, time.Now())
	defer cancel()
	for range 3 {
		_, get := q.TryGet()
		_, blockingGet := q.Get(ctx)
		for _, err := range []error{q.TryPut(1), get, q.Put(ctx, 2), blockingGet} {
			if !acceptable(err) {
				t.Fatal(err)
			}
		}
		useOthers(t, ctx, q)
		if n := q.Len(); n < 0 || n > q.Cap() {
			t.Fatalf("length %d", n)
		}
		q.Stats()
		q.Closed()
	}
}

// useOthers does the operations on several messages, without a copy, and on full queues.
func useOthers(t *testing.T, ctx context.Context, q *Queue[uint64]) {
	t.Helper()
	var errs []error
	_, err := q.PutBatch(ctx, []uint64{1, 2, 3})
	errs = append(errs, err)
	_, err = q.GetBatch(ctx, make([]uint64, 2))
	errs = append(errs, err)
	for range 2 {
		r, err := q.Reserve(ctx)
		errs = append(errs, err)
		if err == nil {
			*r.Value = 5
			errs = append(errs, r.Commit())
		}
	}
	r, err := q.Reserve(ctx)
	errs = append(errs, err)
	if err == nil {
		errs = append(errs, r.Abort())
	}
	p, err := q.Peek(ctx)
	errs = append(errs, err)
	if err == nil {
		errs = append(errs, p.Release())
	}
	for _, full := range []WhenFull{DropNewest, DropOldest} {
		dropping := &Queue[uint64]{object: object{o: q.o}, r: q.r, seen: q.seen, full: ring.WhenFull(full)}
		for range 3 {
			errs = append(errs, dropping.Put(ctx, 1))
		}
	}
	for _, err := range errs {
		if !acceptable(err) && err != ErrNotHeld {
			t.Fatal(err)
		}
	}
}

// slot0 is where the first slot of a Queue lies; see package mpmc.
const slot0 = 384

// Every word of the queue gets every odd value. Handles that are open go on somehow, new ones
// are refused or do so, too.
func TestHostileWords(t *testing.T) {
	seg := newSegment(t, bigSegment)
	me := uint64(segment.Of(seg).Me())
	words := []uint64{0, 1, 2, 3, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 62, 2 << 62, 3 << 62, 1<<62 | me<<32, 3<<62 | me<<32,
		1<<62 | me<<32 | 1<<31, 3<<62 | 1<<32, 2<<62 | 1<<31, 1 << 63, math.MaxUint64, math.MaxUint64 - 1, 0x5555555555555555}
	for _, off := range []int{0, 8, 16, 32, 40, 48, 56, 64, 72, 80, 96, 104, 128, 256, slot0, slot0 + 8, slot0 + 16, slot0 + 24} {
		for _, word := range words {
			q, err := NewQueue[uint64](seg, "q", 2, Options{})
			if err != nil {
				t.Fatal(err)
			}
			mustPut(t, q, 7)
			binary.NativeEndian.PutUint64(q.o.Payload[off:], word)
			useAll(t, q)
			again, err := OpenQueue[uint64](seg, "q", Options{})
			if err != nil {
				t.Fatal(err) // the geometry is known to this process already
			}
			useAll(t, again)
			for slot := range q.Cap() {
				q.poke(slot0+16*slot, 0) // Close would wait for claims that no process made
			}
			if err := seg.RemoveObject("q"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A size that does not fit the capacity is found when the queue is opened.
func TestHostileCapacity(t *testing.T) {
	for _, capacity := range []uint64{0, 1, 3, 4, 1 << 31, 1 << 40, 1 << 63, math.MaxUint64} {
		q, path := namedQueue[uint64](t, 2, Options{})
		binary.NativeEndian.PutUint64(q.o.Payload, capacity)
		if q.Cap() != 2 {
			t.Errorf("an open handle believes in capacity %d", q.Cap())
		}
		_, err := OpenQueue[uint64](reopen(t, path), "q", Options{})
		wantErr(t, err, shm.ErrCorrupt)
	}
}

// Words that contradict each other are found out; no caller searches for a position that does not
// come.
func TestNonsenseIsCorrupt(t *testing.T) {
	for name, word := range map[string]uint64{
		"later lap": 1000, "earlier lap": 2<<62 | math.MaxUint32 - 5, "empty with an owner": 1025 << 32,
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue[uint64](t, 1, Options{})
			q.poke(slot0, word)
			wantErr(t, q.TryPut(1), shm.ErrCorrupt)
			_, err := q.TryGet()
			wantErr(t, err, shm.ErrCorrupt)
			wantErr(t, q.Put(background, 1), shm.ErrCorrupt)
			_, err = q.Get(background)
			wantErr(t, err, shm.ErrCorrupt)
		})
	}
}

// FuzzScribble overwrites bytes of a queue between operations on it.
func FuzzScribble(f *testing.F) {
	f.Add(uint8(2), []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint8(1), []byte("\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, capacity uint8, script []byte) {
		q := newQueue[uint64](t, int(capacity%8)+1, Options{})
		for len(script) >= 10 {
			off := int(binary.LittleEndian.Uint16(script)) % (len(q.o.Payload) - 7)
			copy(q.o.Payload[off:off+8], script[2:10])
			script = script[10:]
			useAll(t, q)
		}
	})
}
