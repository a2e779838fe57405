package yields

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// A ring is both ends of one, as two processes have them, and its block.
type ring struct {
	r     *Reader
	w     *Writer
	block []byte
}

const (
	memory = 1 << 20
	arg    = "the argument"
)

func newRing(t testing.TB, fixed int, local bool) ring {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	s := segment.Of(seg)
	o, _, err := s.New(segment.Spec{Name: "tasks", Kind: segment.KindTasks, Type: "B", Size: 64})
	if err != nil {
		t.Fatal(err)
	}
	x := ring{r: NewReader(o, fixed, memory, local)}
	if _, x.block, err = s.AllocDirty(x.r.Size(len(arg))); err != nil {
		t.Fatal(err)
	}
	for i := range x.block {
		x.block[i] = 0xff // as an earlier task may have left it
	}
	x.r.Place(x.block, []byte(arg))
	w, got, err := Open(o, x.block, memory)
	if err != nil || string(got) != arg {
		t.Fatalf("the argument is %q: %v", got, err)
	}
	x.w = w
	return x
}

// Values of any lengths arrive, from one goroutine to another, whole and in order; what is left in
// the ring when the task ends, too.
func TestValues(t *testing.T) {
	for _, local := range []bool{false, true} {
		x := newRing(t, 0, local)
		const values = 3000
		size := func(i int) int { return i * i % 90_001 }
		failed := make(chan error, 1)
		go func() {
			defer x.r.Finish()
			for i := range values {
				if err := x.w.Put(t.Context(), bytes.Repeat([]byte{byte(i)}, size(i)), false); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
		n := 0
		for {
			b, err := x.r.Next(t.Context())
			if err == ErrEnd {
				break
			}
			if err != nil || len(b) != size(n) || bytes.Count(b, []byte{byte(n)}) != len(b) {
				t.Fatalf("value %d: %d bytes of %d, %v", n, len(b), size(n), err)
			}
			n++
		}
		if err := <-failed; err != nil || n != values {
			t.Errorf("%d values, %v", n, err)
		}
		if _, err := x.r.Next(t.Context()); err != ErrEnd {
			t.Errorf("after the end: %v", err)
		}
	}
}

// Finish takes what is there, and from then on the block is not looked at: it may be another's.
func TestFinish(t *testing.T) {
	x := newRing(t, 8, false)
	for i := range uint64(100) {
		if err := x.w.Put(t.Context(), binary.NativeEndian.AppendUint64(nil, i), true); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := x.r.Next(t.Context()); err != nil || binary.NativeEndian.Uint64(b) != 0 {
		t.Fatal(b, err)
	}
	x.r.Finish()
	clear(x.block)
	for i := range uint64(99) {
		if b, err := x.r.Next(t.Context()); err != nil || binary.NativeEndian.Uint64(b) != i+1 {
			t.Fatalf("value %d: %v, %v", i, b, err)
		}
	}
	if _, err := x.r.Next(t.Context()); err != ErrEnd {
		t.Error(err)
	}
	if bytes.Count(x.block, []byte{0}) != len(x.block) {
		t.Error("the block was written after Finish")
	}
}

// A value that was cut off by a death is none.
func TestCutOff(t *testing.T) {
	x := newRing(t, 0, false)
	if err := x.w.Put(t.Context(), []byte("whole"), false); err != nil {
		t.Fatal(err)
	}
	x.w.s.Write([]byte{200, 0, 0, 0, 1, 2, 3})
	x.r.Finish()
	if b, err := x.r.Next(t.Context()); err != nil || string(b) != "whole" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := x.r.Next(t.Context()); err != ErrEnd {
		t.Errorf("%q, %v", b, err)
	}
}

// Both ends end with their contexts, with the cause; a Put also when there is room.
func TestContexts(t *testing.T) {
	x := newRing(t, 0, false)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	read := proctest.MustBlock(t, func() {
		if _, err := x.r.Next(ctx); err != why {
			t.Error(err)
		}
	})
	cancel(why)
	<-read
	if err := x.w.Put(ctx, nil, false); err != why {
		t.Error(err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	write := proctest.MustBlock(t, func() {
		if err := x.w.Put(ctx, make([]byte, 100_000), false); err != why {
			t.Error(err)
		}
	})
	cancel(why)
	<-write
	if err := x.w.Put(t.Context(), make([]byte, memory+1), false); err == nil {
		t.Error("a value that is too large")
	}
}

// Blocks that are no arguments with rings are refused.
func TestOpenRefuses(t *testing.T) {
	x := newRing(t, 0, false)
	for name, block := range map[string][]byte{
		"nothing": nil, "too short": make([]byte, 600), "no ring": make([]byte, 100_000), "cut off": x.block[:5000],
		"not a power of two": append(binary.NativeEndian.AppendUint64(nil, 5000), make([]byte, 100_000)...),
		"too large":          append(binary.NativeEndian.AppendUint64(nil, 1<<40), make([]byte, 100_000)...),
	} {
		if _, _, err := Open(x.r.o, block, memory); !errors.Is(err, segment.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a process writes into the ring and its words, the reader returns values, or an error,
// and takes no more memory than the pool has.
func TestScribbled(t *testing.T) {
	corrupt := 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		x := newRing(t, 0, false)
		for range r.IntN(4) {
			x.w.Put(t.Context(), make([]byte, r.IntN(1000)), false)
		}
		at := 128 + 8*r.IntN((headBytes-128)/8+100)
		binary.NativeEndian.PutUint64(x.block[at:], []uint64{r.Uint64(), math.MaxUint64, r.Uint64N(1 << 17), 1 << 63}[r.IntN(4)])
		x.r.over.Store(true) // the worker is dead: no wait is long
		for n := 0; ; n++ {
			b, err := x.r.Next(t.Context())
			if n > maxRing/lengthBytes || len(b) > memory || cap(x.r.buf) > 4*maxRing {
				t.Fatalf("seed %d: %d values, %d bytes, buffer of %d", seed, n, len(b), cap(x.r.buf))
			}
			if err == nil {
				continue
			}
			if errors.Is(err, segment.ErrCorrupt) {
				corrupt++
			} else if err != ErrEnd {
				t.Fatalf("seed %d: %v", seed, err)
			}
			break
		}
		x.r.o.Seg.Close()
	}
	if corrupt == 0 {
		t.Error("no damage was noticed")
	}
}

// The ring is a small part of the memory of the pool, within bounds.
func TestRingFor(t *testing.T) {
	for memory, want := range map[int]int{64 << 10: 4 << 10, 1 << 20: 16 << 10, 3 << 20: 32 << 10, 64 << 20: 64 << 10, 1 << 30: 64 << 10} {
		if got := ringFor(memory); got != want {
			t.Errorf("%d bytes of %d, want %d", got, memory, want)
		}
	}
}
