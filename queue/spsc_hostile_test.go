package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shm"
)

// useAllSPSC does each operation; none may fault, fail in an unknown way, or last.
func useAllSPSC(t *testing.T, q *SPSC[uint64]) {
	t.Helper()
	ctx, cancel := context.WithDeadline(background, time.Now())
	defer cancel()
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	for range 3 {
		note(q.TryPut(1))
		_, err := q.TryGet()
		note(err)
		note(q.Put(ctx, 2))
		_, err = q.Get(ctx)
		note(err)
		_, err = q.PutBatch(ctx, []uint64{1, 2, 3})
		note(err)
		_, err = q.GetBatch(ctx, make([]uint64, 3))
		note(err)
		r, err := q.Reserve(ctx)
		note(err)
		if err == nil {
			*r.Value = 5
			note(r.Commit())
		}
		p, err := q.Peek(ctx)
		note(err)
		if err == nil {
			note(p.Release())
		}
		if n := q.Len(); n < 0 || n > q.Cap() {
			t.Fatalf("length %d", n)
		}
		q.Stats()
		q.Closed()
	}
	for _, err := range errs {
		if !acceptable(err) && !errors.Is(err, ErrRoleTaken) {
			t.Fatal(err)
		}
	}
}

// Every word of the queue gets every odd value, before it is used and after. The process can close
// the segment then, and soon.
func TestSPSCHostileWords(t *testing.T) {
	words := []uint64{0, 1, 2, 3, 4, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 62, 1 << 63, math.MaxUint64, math.MaxUint64 - 1, 0x5555555555555555}
	for _, off := range []int{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 128, 256, 384, 512} {
		for _, word := range words {
			for _, used := range []bool{false, true} {
				seg, err := shm.Anonymous(shm.Options{})
				wantErr(t, err, nil)
				q, err := NewSPSC[uint64](seg, "q", 2, Options{})
				wantErr(t, err, nil)
				if used {
					wantErr(t, q.TryPut(7), nil)
					_, err := q.TryGet()
					wantErr(t, err, nil)
					wantErr(t, q.TryPut(8), nil)
				}
				binary.NativeEndian.PutUint64(q.o.Payload[off:], word)
				useAllSPSC(t, q)
				again, err := OpenSPSC[uint64](seg, "q", Options{})
				wantErr(t, err, nil) // the geometry is known to this process already
				useAllSPSC(t, again)
				seg.Close()
			}
		}
	}
}

// Where the words of an SPSC lie; see package spsc.
const tail, freed, begun, read = 128, 256, 384, 512

// Positions that contradict each other are found out.
func TestSPSCNonsenseIsCorrupt(t *testing.T) {
	for name, off := range map[string]int{"tail": tail, "begun": begun, "read": read, "freed": freed} {
		for _, v := range []uint64{1 << 40, 1 << 63, math.MaxUint64 - 99} {
			q := newSPSC[uint64](t, 4, Options{})
			q.poke(off, v)
			put := q.TryPut(1)
			_, get := q.TryGet()
			if !errors.Is(put, shm.ErrCorrupt) && !errors.Is(get, shm.ErrCorrupt) {
				t.Errorf("%s %#x: put %v, get %v", name, v, put, get)
			}
		}
	}
	q := newSPSC[uint64](t, 2, Options{})
	for range 2 {
		wantErr(t, q.TryPut(1), nil)
	}
	q.poke(read, math.MaxUint64-5) // more than the capacity behind
	wantErr(t, q.TryPut(1), shm.ErrCorrupt)
	wantErr(t, q.Put(background, 1), shm.ErrCorrupt)

	q = newSPSC[uint64](t, 2, Options{})
	_, err := q.TryGet()
	wantErr(t, err, ErrEmpty)
	q.poke(8, 1) // closed
	q.poke(begun, 77)
	_, err = q.Get(background)
	wantErr(t, err, shm.ErrCorrupt)
}

// A size that does not fit the capacity is found when the queue is opened.
func TestSPSCHostileCapacity(t *testing.T) {
	for _, capacity := range []uint64{0, 1, 3, 8, 1 << 31, 1 << 40, 1 << 63, math.MaxUint64} {
		q, path := namedSPSC(t, 4, Options{})
		binary.NativeEndian.PutUint64(q.o.Payload, capacity)
		if q.Cap() != 4 {
			t.Errorf("an open handle believes in capacity %d", q.Cap())
		}
		_, err := OpenSPSC[checked](reopen(t, path), "q", Options{})
		wantErr(t, err, shm.ErrCorrupt)
	}
}

// FuzzSPSCScribble overwrites bytes of a queue between operations on it.
func FuzzSPSCScribble(f *testing.F) {
	f.Add(uint8(2), []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint8(1), []byte("\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x02\x00\x00\x00\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, capacity uint8, script []byte) {
		q := newSPSC[uint64](t, int(capacity%8)+1, Options{})
		for len(script) >= 10 {
			off := int(binary.LittleEndian.Uint16(script)) % (len(q.o.Payload) - 7)
			copy(q.o.Payload[off:off+8], script[2:10])
			script = script[10:]
			useAllSPSC(t, q)
		}
	})
}
