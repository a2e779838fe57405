package queue

import (
	"bytes"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	"pgregory.net/rapid"
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

// A55: messages of every length from 0 to the capacity, at every place of the ring, and around its
// end; what is longer is refused with the limit named.
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

// A queue behaves as a list of messages, whatever is put, reserved, committed, aborted, peeked at
// and taken.
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

// Several producers and consumers: each message arrives once and whole, those of one producer in
// order.
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
