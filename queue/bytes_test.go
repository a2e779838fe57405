package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
)

func newBytes(t testing.TB, capacity int, o Options) *Bytes {
	t.Helper()
	b, err := NewBytes(newSegment(t, shm.Options{}), "b", capacity, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pattern is a message of n bytes that tells its number.
func pattern(number, n int) []byte {
	m := make([]byte, n)
	for i := range m {
		m[i] = byte(number + i)
	}
	return m
}

// A55: messages of every length from 0 to the capacity, at every place of the ring, and around its end; what is longer is refused
// with the limit named.
func TestBytesLengths(t *testing.T) {
	for _, capacity := range []int{1, 8, 40, 48, 100, 112} {
		for _, start := range []uint64{0, ^uint64(0) - 1000} {
			b := newBytes(t, capacity, Options{}.startingAt(start))
			for i := range 400 {
				m := pattern(i, i%(capacity+1))
				if err := b.TryPut(m); err != nil {
					t.Fatalf("capacity %d, message %d of %d bytes: %v", capacity, i, len(m), err)
				}
				got, err := b.TryGet()
				if err != nil || !bytes.Equal(got, m) {
					t.Fatalf("capacity %d, message %d of %d bytes: %v, %v", capacity, i, len(m), got, err)
				}
			}
			err := b.TryPut(make([]byte, capacity+1))
			wantErr(t, err, fs.ErrInvalid)
			if want := fmt.Sprintf("at most %d", capacity); !bytes.Contains([]byte(err.Error()), []byte(want)) {
				t.Errorf("%v, want %q in it", err, want)
			}
			_, err = b.TryGet()
			wantErr(t, err, ErrEmpty)
			if s := b.Stats(); s.Put != 400 || s.Got != 400 || s.Abandoned != 0 || b.Len() != 0 {
				t.Errorf("%+v", s)
			}
		}
	}
}

// A queue behaves as a list of messages, whatever is put, reserved, committed, aborted, peeked at and taken.
func TestBytesAgainstModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		capacity := rapid.IntRange(1, 200).Draw(r, "capacity")
		seg, err := shm.Anonymous(shm.Options{Size: 1 << 20, Processes: 2, Objects: 4})
		if err != nil {
			r.Fatal(err)
		}
		defer seg.Close()
		b, err := NewBytes(seg, "b", capacity, Options{}.startingAt(^uint64(0)-rapid.Uint64Range(0, 500).Draw(r, "start")))
		if err != nil {
			r.Fatal(err)
		}
		var model [][]byte
		next := 0
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			switch rapid.IntRange(0, 4).Draw(r, "step") {
			case 0, 1:
				m := pattern(next, rapid.IntRange(0, capacity).Draw(r, "n"))
				switch err := b.TryPut(m); {
				case err == nil:
					model = append(model, m)
					next++
				case err != ErrFull || len(model) == 0:
					r.Fatalf("put %d bytes behind %d messages: %v", len(m), len(model), err)
				}
			case 2:
				if len(model) > 0 {
					break
				}
				res, err := b.Reserve(background, capacity)
				if err != nil {
					r.Fatal(err)
				}
				if rapid.Bool().Draw(r, "abort") {
					err = res.Abort()
				} else {
					copy(res.Value, pattern(next, capacity))
					model = append(model, pattern(next, capacity))
					next++
					err = res.Commit()
				}
				if err != nil || res.Commit() != ErrNotHeld {
					r.Fatal(err)
				}
			default:
				got, err := b.TryGet()
				if len(model) == 0 {
					if err != ErrEmpty {
						r.Fatalf("get of nothing: %v", err)
					}
					break
				}
				if err != nil || !bytes.Equal(got, model[0]) {
					r.Fatalf("got %v, %v, want %v", got, err, model[0])
				}
				model = model[1:]
			}
			if b.Len() != len(model) {
				r.Fatalf("length %d, want %d", b.Len(), len(model))
			}
		}
	})
}

// Several producers and consumers: each message arrives once and whole, those of one producer in order.
func TestBytesCrowd(t *testing.T) {
	for name, policy := range policies {
		b := newBytes(t, 200, Options{Wait: policy})
		const producers, consumers, each = 3, 3, 1500
		var all, putting sync.WaitGroup
		var got atomic.Int64
		for p := range producers {
			putting.Go(func() {
				for i := range each {
					m := append([]byte{byte(p), byte(i), byte(i >> 8)}, pattern(i, i%150)...)
					if err := b.Put(background, m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range consumers {
			all.Go(func() {
				last := map[byte]int{}
				for m, err := range b.All(background) {
					if err != nil {
						t.Error(err)
						return
					}
					i := int(m[1]) | int(m[2])<<8
					if before, ok := last[m[0]]; ok && i <= before || !bytes.Equal(m[3:], pattern(i, i%150)) {
						t.Errorf("%s: message %d of producer %d came after %d, or is torn", name, i, m[0], before)
						return
					}
					last[m[0]] = i
					got.Add(1)
				}
			})
		}
		putting.Wait()
		wantErr(t, b.Close(), nil)
		all.Wait()
		if got.Load() != producers*each {
			t.Errorf("%s: %d messages arrived", name, got.Load())
		}
		if s := b.Stats(); s.Put != producers*each || s.Got != s.Put {
			t.Errorf("%+v", s)
		}
	}
}

// A61: closing wakes whoever waits; what is there is still delivered, what is reserved can be committed.
func TestBytesClose(t *testing.T) {
	b := newBytes(t, 100, Options{})
	res, err := b.Reserve(background, 3)
	wantErr(t, err, nil)
	var all sync.WaitGroup
	all.Go(func() {
		var got [][]byte
		for m, err := range b.All(background) {
			wantErr(t, err, nil)
			got = append(got, m)
		}
		if len(got) != 1 || string(got[0]) != "abc" {
			t.Errorf("%q", got)
		}
	})
	time.Sleep(5 * time.Millisecond)
	wantErr(t, b.Close(), nil)
	wantErr(t, b.TryPut(nil), ErrClosed)
	time.Sleep(5 * time.Millisecond)
	copy(res.Value, "abc")
	wantErr(t, res.Commit(), nil)
	all.Wait()
	_, err = b.Get(background)
	wantErr(t, err, ErrClosed)

	full := newBytes(t, 8, Options{})
	for full.TryPut(nil) == nil {
	}
	all.Go(func() { wantErr(t, full.Put(background, nil), ErrClosed) })
	time.Sleep(5 * time.Millisecond)
	wantErr(t, full.Close(), nil)
	all.Wait()
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	_, err = newBytes(t, 8, Options{}).Get(ctx)
	wantErr(t, err, context.DeadlineExceeded)
}

// Closed by this process, the segment gives nothing more; Close waits for what the process has in its hands.
func TestBytesSegmentClosed(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	wantErr(t, err, nil)
	b, err := NewBytes(seg, "b", 100, Options{})
	wantErr(t, err, nil)
	wantErr(t, b.TryPut([]byte("x")), nil)
	p, err := b.Peek(background)
	wantErr(t, err, nil)
	waiting := make(chan error)
	go func() {
		_, err := b.Get(background)
		waiting <- err
	}()
	time.Sleep(5 * time.Millisecond)
	var held *shm.HeldError
	if err := seg.Close(); !errors.As(err, &held) {
		t.Errorf("closed with a message in its hands: %v", err)
	}
	wantErr(t, <-waiting, shm.ErrClosed)
	wantErr(t, p.Release(), shm.ErrClosed)
	wantErr(t, b.TryPut(nil), shm.ErrClosed)
	_, err = b.TryGet()
	wantErr(t, err, shm.ErrClosed)
	wantErr(t, b.Close(), shm.ErrClosed)
}

// What goroutines pass through the queue is theirs, for the race detector, too.
func TestBytesOrders(t *testing.T) {
	there, back := newBytes(t, 8, Options{}), newBytes(t, 8, Options{})
	shared := 0
	var all sync.WaitGroup
	all.Go(func() {
		for range 500 {
			_, err := there.Get(background)
			wantErr(t, err, nil)
			shared++
			wantErr(t, back.Put(background, nil), nil)
		}
	})
	for range 500 {
		shared++
		wantErr(t, there.Put(background, nil), nil)
		_, err := back.Get(background)
		wantErr(t, err, nil)
	}
	all.Wait()
	if shared != 1000 {
		t.Errorf("counted to %d", shared)
	}
}

func TestBytesAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector makes pools forget")
	}
	b := newBytes(t, 100, Options{})
	buf := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(200, func() {
		b.Put(background, buf[:50])
		buf, _ = b.AppendGet(background, buf[:0])
		res, _ := b.Reserve(background, 10)
		res.Commit()
		p, _ := b.Peek(background)
		p.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever words the memory holds: no panic, no fault, no loop without end.
func TestBytesHostile(t *testing.T) {
	words := []uint64{0, 1, 7, 8, 16, 24, 255, 1 << 30, 1<<31 - 8, 1 << 32, 1 << 62, 1 << 63, ^uint64(0), ^uint64(7),
		recWord(recFull, nobody, 16), recWord(recFull, nobody, 1<<20), recWord(recWriting, 77, 24), recWord(recReading, 5, 32), recWord(recDone, 0, 8)}
	for range 500 {
		b := newBytes(t, 100, Options{}.startingAt(64))
		for i := range 2 {
			wantErr(t, b.TryPut(pattern(i, 20)), nil)
		}
		for range 1 + rand.IntN(4) {
			off := 16 + 8*rand.IntN((len(b.o.Payload)-16)/8)
			if off >= 128 && off < 144 || off >= 256 && off < 272 {
				continue // the locks have tests of their own: a word of theirs may say that a living process holds them
			}
			binary.NativeEndian.PutUint64(b.o.Payload[off:], words[rand.IntN(len(words))])
		}
		useBytes(t, b)
	}
	b := newBytes(t, 100, Options{})
	binary.NativeEndian.PutUint64(b.o.Payload, 100)
	if _, err := viewBytes(b.o); !errors.Is(err, shm.ErrCorrupt) {
		t.Errorf("a wrong size: %v", err)
	}
	binary.NativeEndian.PutUint64(b.o.Payload, 128) // so that the segment closes as usual
}

// useBytes does each operation; none may fault, fail in an unknown way, or last.
func useBytes(t *testing.T, b *Bytes) {
	t.Helper()
	ctx, cancel := context.WithDeadline(background, time.Now())
	defer cancel()
	began := time.Now()
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
	b.r.busy()
	b.Len()
	if took := time.Since(began); took > time.Second {
		t.Fatalf("took %v", took)
	}
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

// BenchmarkBytes puts and gets in one goroutine.
func BenchmarkBytes(b *testing.B) {
	for _, n := range []int{64, 1024, 65536} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q := newBytes(b, 1<<17, Options{})
			m, buf := make([]byte, n), make([]byte, 0, n)
			b.ReportAllocs()
			for b.Loop() {
				if err := q.Put(background, m); err != nil {
					b.Fatal(err)
				}
				buf, _ = q.AppendGet(background, buf[:0])
			}
		})
	}
}
