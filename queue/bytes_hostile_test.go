package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/ring/record"
	"github.com/shmkit/shmkit/shm"
)

// Whatever words the memory holds: no panic, no fault, no loop without end.
func TestBytesHostile(t *testing.T) {
	words := []uint64{0, 1, 7, 8, 16, 24, 255, 1 << 30, 1<<31 - 8, 1 << 32, 1 << 62, 1 << 63, ^uint64(0), ^uint64(7),
		// states of records: full, full, being written, being read, done
		2<<61 | 16, 2<<61 | 1<<20, 1<<61 | 77<<31 | 24, 3<<61 | 5<<31 | 32, 5<<61 | 8}
	for range 500 {
		b := newBytes(t, 100, Options{}.startingAt(64))
		for i := range 2 {
			wantErr(t, b.TryPut(pattern(i, 20)), nil)
		}
		for range 1 + rand.IntN(4) {
			off := 16 + 8*rand.IntN((len(b.o.Payload)-16)/8)
			if off >= 128 && off < 144 || off >= 256 && off < 272 {
				// the locks have tests of their own: a word of theirs may say that a living process
				// holds them
				continue
			}
			binary.NativeEndian.PutUint64(b.o.Payload[off:], words[rand.IntN(len(words))])
		}
		useBytes(t, b)
	}
	b := newBytes(t, 100, Options{})
	binary.NativeEndian.PutUint64(b.o.Payload, 100)
	if _, err := record.View(b.o); !errors.Is(err, shm.ErrCorrupt) {
		t.Errorf("a wrong size: %v", err)
	}
	binary.NativeEndian.PutUint64(b.o.Payload, 128) // so that the segment closes as usual
}

// useBytes does each operation; none may fault, fail in an unknown way, or last.
func useBytes(t *testing.T, b *Bytes) {
	t.Helper()
	ctx, cancel := context.WithDeadline(background, time.Now())
	defer cancel()
	for range 4 {
		_, get := b.Get(ctx)
		res, reserve := b.Reserve(ctx, 5)
		if reserve == nil {
			copy(res.Value, "hello")
			reserve = res.Commit()
		}
		p, peek := b.Peek(ctx)
		if peek == nil {
			peek = p.Release()
		}
		for _, err := range []error{get, reserve, peek, b.TryPut([]byte("abc"))} {
			if !acceptable(err) {
				t.Fatal(err)
			}
		}
	}
	b.r.Busy()
	b.Len()
}

// FuzzBytes overwrites words of a queue between operations on it.
func FuzzBytes(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, script []byte) {
		b := newBytes(t, 60, Options{})
		for i := range 3 {
			b.TryPut(pattern(i, 10*i))
		}
		for len(script) >= 9 {
			off := 16 + int(script[0])*8%(len(b.o.Payload)-16)&^7
			if (off < 128 || off >= 144) && (off < 256 || off >= 272) {
				copy(b.o.Payload[off:off+8], script[1:9])
			}
			useBytes(t, b)
			script = script[9:]
		}
	})
}

func TestBytesBadInput(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	for _, capacity := range []int{-1, 0, 1<<30 + 1} {
		_, err := NewBytes(seg, "b", capacity, Options{})
		wantErr(t, err, fs.ErrInvalid)
	}
	_, err := OpenBytes(seg, "b", Options{})
	wantErr(t, err, fs.ErrNotExist)
	_, err = NewBytes(seg, "b", 100, Options{})
	wantErr(t, err, nil)
	for _, capacity := range []int{99, 1000} {
		_, err = NewBytes(seg, "b", capacity, Options{})
		wantErr(t, err, shm.ErrMismatch)
	}
	_, err = OpenQueue[int64](seg, "b", Options{})
	wantErr(t, err, shm.ErrMismatch)
	b, err := OpenBytes(seg, "b", Options{})
	wantErr(t, err, nil)
	data, err := b.MarshalBinary()
	wantErr(t, err, nil)
	var again Bytes
	wantErr(t, again.UnmarshalBinary(data), nil)
	wantErr(t, again.TryPut([]byte("x")), nil)
	if m, err := b.TryGet(); err != nil || string(m) != "x" {
		t.Error(m, err)
	}
}
