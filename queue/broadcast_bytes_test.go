package queue

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
)

func newBroadcastBytes(t testing.TB, capacity int, o Options) *BroadcastBytes {
	t.Helper()
	b, err := NewBroadcastBytes(newSegment(t, shm.Options{}), "b", capacity, o)
	wantErr(t, err, nil)
	return b
}

func (b *BroadcastBytes) mustSubscribe(from Start) *BytesReader {
	r, err := b.Subscribe(from)
	if err != nil {
		panic(err)
	}
	return r
}

// castPattern is a message of n bytes that says which it is.
func castPattern(i, n int) []byte {
	return bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(n)}, n/3+1)[:n]
}

// A message of each length, from 0 to the longest, arrives whole at each place before the end of
// the ring: vllm-project/vllm#5768.
func TestBroadcastAnyLength(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		b := newBroadcastBytes(t, 1000, o.startingAt(^uint64(0)-1023))
		if b.Cap() != 1024 {
			t.Fatalf("capacity %d", b.Cap())
		}
		copies, looks := b.mustSubscribe(FromNewest), b.mustSubscribe(FromOldest)
		put := uint64(0)
		sum := uint64(0)
		for n := 0; n <= 1024/2-16; n += 7 {
			for at := range 1024 / 64 {
				want := castPattern(at, n)
				wantErr(t, b.Put(background, want), nil)
				put, sum = put+1, sum+uint64(n)
				got, err := copies.Get(background)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes: %d, %v", n, len(got), err)
				}
				look, err := looks.Peek(background)
				if err != nil || !bytes.Equal(look.Value, want) || !look.Valid() {
					t.Fatalf("%d bytes in place: %d, %v", n, len(look.Value), err)
				}
				wantErr(t, look.Release(), nil)
				wantErr(t, look.Release(), ErrNotHeld)
				if at%2 == 0 { // move on by the smallest message
					wantErr(t, b.Put(background, nil), nil)
					put++
					for _, r := range []*BytesReader{copies, looks} {
						if m, err := r.TryGet(); len(m) != 0 || err != nil {
							t.Fatal(m, err)
						}
					}
				}
			}
		}
		wantErr(t, b.Put(background, make([]byte, 1024/2-15)), fs.ErrInvalid)
		if s := b.Stats(); s.Put != put || s.Bytes != sum {
			t.Errorf("%+v, want %d messages, %d bytes", s, put, sum)
		}
	})
}

// Messages that are written in place come in order, whether the ring is full or not; one that is
// aborted does not come.
func TestBroadcastBytesReserve(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		b := newBroadcastBytes(t, 512, o)
		var all sync.WaitGroup
		for range 3 {
			r := b.mustSubscribe(FromNewest)
			all.Go(func() {
				want := 0
				for m, err := range r.All(background) {
					if err != nil || !bytes.Equal(m, castPattern(want, want*7%240)) {
						t.Errorf("message %d: %d bytes, %v", want, len(m), err)
						break
					}
					want++
				}
				if want != 1000 {
					t.Errorf("%d messages", want)
				}
				r.Close()
			})
		}
		for i := range 1000 {
			for _, end := range []func(*BroadcastReservation) error{(*BroadcastReservation).Abort, (*BroadcastReservation).Commit} {
				m, err := b.Reserve(background, i*7%240)
				wantErr(t, err, nil)
				copy(m.Value, castPattern(i, i*7%240))
				wantErr(t, end(&m), nil)
				wantErr(t, m.Commit(), ErrNotHeld)
			}
		}
		wantErr(t, b.Close(), nil)
		all.Wait()
		if s := b.Stats(); s.Put != 1000 || s.Abandoned != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// What is kept for late readers ends where a message begins, and gives way to one that needs its
// room.
func TestBroadcastBytesKeep(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		o.Keep = 300
		b := newBroadcastBytes(t, 1024, o)
		early := b.mustSubscribe(FromNewest)
		for i := range 100 {
			wantErr(t, b.Put(background, castPattern(i, 10+i)), nil)
			m, err := early.TryGet()
			if err != nil || !bytes.Equal(m, castPattern(i, 10+i)) {
				t.Fatal(i, m, err)
			}
			late := b.mustSubscribe(FromOldest)
			n := late.Len()
			if kept := i + 1; n < min(kept, 300/192+1) || n > kept {
				t.Fatalf("%d messages are kept of %d", n, kept)
			}
			for k := i + 1 - n; k <= i; k++ {
				if m, err := late.TryGet(); err != nil || !bytes.Equal(m, castPattern(k, 10+k)) {
					t.Fatalf("message %d of %d kept: %d bytes, %v", k, n, len(m), err)
				}
			}
			wantErr(t, late.Close(), nil)
		}
		for range 10 {
			wantErr(t, b.TryPut(make([]byte, 496)), nil)
			_, err := early.TryGet()
			wantErr(t, err, nil)
		}
	})
}

// The reader of a look that was expelled is told, and so are gets and batches.
func TestBroadcastBytesExpelled(t *testing.T) {
	const patience = time.Millisecond //clock: that it ends a wait is the subject
	b := newBroadcastBytes(t, 512, Options{Patience: patience})
	looks, slow := b.mustSubscribe(FromNewest), b.mustSubscribe(FromNewest)
	wantErr(t, b.Put(background, castPattern(1, 20)), nil)
	look, err := looks.TryPeek()
	wantErr(t, err, nil)
	for i := range 20 {
		wantErr(t, b.Put(background, castPattern(i, 20)), nil)
	}
	if look.Valid() {
		t.Error("the look is valid")
	}
	_, err = slow.GetBatch(background, make([][]byte, 2))
	for _, err := range []error{err, look.Release()} {
		wantErr(t, err, ErrExpelled)
		if e := new(ExpelledError); !errors.As(err, &e) || e.Unread < 20 || e.Unread > 21 {
			t.Error(err)
		}
	}
}

func TestBroadcastBytesBatches(t *testing.T) {
	b := newBroadcastBytes(t, 1024, Options{})
	r := b.mustSubscribe(FromNewest)
	n, err := b.PutBatch(background, [][]byte{{1}, {2, 2}, {}, {3}})
	if n != 4 || err != nil || r.Len() != 4 {
		t.Fatal(n, err, r.Len())
	}
	into := [][]byte{make([]byte, 0, 8), nil, nil}
	n, err = r.GetBatch(background, into)
	if n != 3 || err != nil || !slices.Equal(into[0], []byte{1}) || !slices.Equal(into[1], []byte{2, 2}) || len(into[2]) != 0 {
		t.Fatal(n, err, into)
	}
	n, err = r.GetBatch(background, into)
	if n != 1 || err != nil || !slices.Equal(into[0], []byte{3}) {
		t.Fatal(n, err, into)
	}
	_, err = r.GetBatch(canceled, into)
	wantErr(t, err, context.Canceled)
	_, err = r.TryPeek()
	wantErr(t, err, ErrEmpty)
	if race.Enabled {
		return
	}
	message, buffer := make([]byte, 100), make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		b.Put(background, message)
		r.AppendGet(background, buffer)
		m, _ := b.Reserve(background, 20)
		m.Commit()
		look, _ := r.Peek(background)
		look.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Each reader gets a value of its own, equal to what was put; what does not fit into its type is
// passed over.
func TestBroadcastObjects(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		type job struct {
			Name string
			Args map[string][]int
		}
		seg := newSegment(t, shm.Options{})
		q, err := NewBroadcastObjects[job](seg, "jobs", 4096, o)
		wantErr(t, err, nil)
		same, err := OpenBroadcastObjects[job](seg, "jobs", Options{})
		wantErr(t, err, nil)
		numbers, err := OpenBroadcastObjects[int](seg, "jobs", Options{})
		wantErr(t, err, nil)
		a, err := q.Subscribe(FromNewest)
		wantErr(t, err, nil)
		b, err := same.Subscribe(FromOldest)
		wantErr(t, err, nil)
		other, err := numbers.Subscribe(FromNewest)
		wantErr(t, err, nil)
		wantErr(t, q.AwaitReaders(background, 3), nil)
		want := job{"sum", map[string][]int{"of": {1, 2, 3}}}
		n, err := same.PutBatch(background, []job{want, want})
		if n != 2 || err != nil {
			t.Fatal(n, err)
		}
		wantErr(t, numbers.TryPut(7), nil)
		wantErr(t, q.Close(), nil)
		for _, r := range []*ObjectsReader[job]{a, b} {
			got, err := r.Get(background)
			if err != nil || got.Name != want.Name || !slices.Equal(got.Args["of"], want.Args["of"]) {
				t.Fatal(got, err)
			}
			got.Args["of"][0] = 9
			bad := 0
			for v, err := range r.All(background) {
				if d := new(DecodeError); errors.As(err, &d) {
					bad++
				} else if err != nil || v.Args["of"][0] != 1 {
					t.Error(v, err)
				}
			}
			if bad != 1 {
				t.Errorf("%d messages of another type", bad)
			}
		}
		for range 2 {
			_, err := other.TryGet()
			if d := new(DecodeError); !errors.As(err, &d) {
				t.Error(err)
			}
		}
		if v, err := other.TryGet(); v != 7 || err != nil {
			t.Error(v, err)
		}
		wantErr(t, numbers.Detach(), nil)
		_, err = other.TryGet()
		wantErr(t, err, shm.ErrClosed)
		if !strings.Contains(q.String(), "BroadcastObjects") || q.Name() != "jobs" || !q.Closed() || q.Cap() != 4096 || q.Stats().Put != 3 {
			t.Error(q, q.Stats())
		}
	})
}

// A put of a message of any length waits until there is room for it in one piece.
func TestBroadcastBytesWaitsForRoom(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		b := newBroadcastBytes(t, 512, o)
		r := b.mustSubscribe(FromNewest)
		for range 4 {
			wantErr(t, b.TryPut(make([]byte, 100)), nil)
		}
		wantErr(t, b.TryPut(nil), ErrFull)
		put := proctest.MustBlock(t, func() { wantErr(t, b.Put(background, make([]byte, 200)), nil) })
		for range 2 {
			_, err := r.TryGet()
			wantErr(t, err, nil)
		}
		proctest.Ends(t, put, "the put goes on when two messages are read")
	})
}

// A reader that has found several messages does not ask the writer's cache line again before it has
// got them, whether it copies them or looks at them.
func TestBroadcastBytesAsksOnce(t *testing.T) {
	b := newBroadcastBytes(t, 1024, Options{})
	r := b.mustSubscribe(FromNewest)
	for i := range 4 {
		wantErr(t, b.TryPut(castPattern(i, 64)), nil)
	}
	for i := range 4 {
		var m []byte
		var err error
		if i%2 == 0 {
			m, err = r.Get(background)
		} else {
			look, e := r.Peek(background)
			wantErr(t, e, nil)
			m = slices.Clone(look.Value)
			err = look.Release()
		}
		if err != nil || !bytes.Equal(m, castPattern(i, 64)) {
			t.Fatal(i, m, err)
		}
		if left := r.c.Until - r.c.Next; left != uint64(3-i)*128 {
			t.Errorf("after message %d the reader knows of %d bytes", i, left)
		}
	}
	_, err := r.TryGet()
	wantErr(t, err, ErrEmpty)
}
