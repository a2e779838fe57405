package queue

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

func newSPSC[T any](t testing.TB, capacity int, o Options) *SPSC[T] {
	t.Helper()
	q, err := NewSPSC[T](newSegment(t, shm.Options{}), "q", capacity, o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// What is put comes out, in order, also where positions wrap; a full queue refuses, and has exactly
// its capacity.
func TestSPSCOrder(t *testing.T) {
	for _, start := range []uint64{0, ^uint64(0) - 5} {
		q := newSPSC[int64](t, 4, Options{}.startingAt(start))
		next, want := int64(0), int64(0)
		for range 10 {
			for range 4 {
				wantErr(t, q.TryPut(next), nil)
				next++
			}
			wantErr(t, q.TryPut(-1), ErrFull)
			if q.Len() != 4 || q.Cap() != 4 {
				t.Fatalf("%d of %d", q.Len(), q.Cap())
			}
			for range 3 {
				v, err := q.TryGet()
				if err != nil || v != want {
					t.Fatalf("got %d, %v, want %d", v, err, want)
				}
				want++
			}
			v, err := q.TryGet()
			wantErr(t, err, nil)
			if v != want {
				t.Fatalf("got %d, want %d", v, want)
			}
			want++
			_, err = q.TryGet()
			wantErr(t, err, ErrEmpty)
		}
		if s := q.Stats(); s.Put-start != 40 || s.Got-start != 40 || s.Abandoned != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// A place that was read is free at once, however lazily the consumer gives places back.
func TestSPSCExactCapacity(t *testing.T) {
	q := newSPSC[int64](t, 256, Options{})
	for i := range int64(256) {
		wantErr(t, q.TryPut(i), nil)
	}
	for i := range int64(1000) {
		wantErr(t, q.TryPut(0), ErrFull)
		v, err := q.TryGet()
		if err != nil || v != i {
			t.Fatalf("got %d, %v, want %d", v, err, i)
		}
		wantErr(t, q.TryPut(256+i), nil)
	}
}

// A sleeping producer goes on as soon as there is room for one message.
func TestSPSCWakesProducer(t *testing.T) {
	q := newSPSC[int64](t, 256, Options{})
	for range 256 {
		wantErr(t, q.TryPut(0), nil)
	}
	done := make(chan error)
	go func() { done <- q.Put(background, 1) }()
	asleep.Await(t, q.o.Seg, 1)
	if _, err := q.TryGet(); err != nil {
		t.Fatal(err)
	}
	wantErr(t, proctest.Ends(t, done, "the producer goes on"), nil)
}

func TestSPSCReserve(t *testing.T) {
	q := newSPSC[int64](t, 2, Options{})
	r, err := q.Reserve(background)
	wantErr(t, err, nil)
	*r.Value = 7
	wantErr(t, q.TryPut(1), ErrReserved)
	if q.Len() != 0 {
		t.Error("the message is there before Commit")
	}
	wantErr(t, r.Commit(), nil)
	wantErr(t, r.Commit(), ErrNotHeld)
	r, err = q.Reserve(background)
	wantErr(t, err, nil)
	wantErr(t, r.Abort(), nil)
	wantErr(t, r.Abort(), ErrNotHeld)
	wantErr(t, q.TryPut(8), nil)
	wantErr(t, q.TryPut(9), ErrFull)
	for _, want := range []int64{7, 8} {
		p, err := q.Peek(background)
		if err != nil || *p.Value != want {
			t.Fatalf("%v, want %d", err, want)
		}
		wantErr(t, p.Release(), nil)
		wantErr(t, p.Release(), ErrNotHeld)
	}
	_, err = q.TryGet()
	wantErr(t, err, ErrEmpty)
}

func TestSPSCBatch(t *testing.T) {
	q := newSPSC[int64](t, 8, Options{})
	in := make([]int64, 100)
	for i := range in {
		in[i] = int64(i)
	}
	done := make(chan error)
	go func() {
		n, err := q.PutBatch(background, in)
		if err == nil && n != len(in) {
			t.Errorf("put %d", n)
		}
		done <- err
	}()
	var out []int64
	buf := make([]int64, 5)
	for len(out) < len(in) {
		n, err := q.GetBatch(background, buf)
		wantErr(t, err, nil)
		out = append(out, buf[:n]...)
	}
	wantErr(t, <-done, nil)
	for i, v := range out {
		if v != int64(i) {
			t.Fatalf("message %d is %d", i, v)
		}
	}
}

// Closed, a queue refuses at once what is put, and ends gets when it is empty.
func TestSPSCClose(t *testing.T) {
	q := newSPSC[int64](t, 8, Options{})
	wantErr(t, q.TryPut(1), nil)
	wantErr(t, q.Close(), nil)
	wantErr(t, q.TryPut(2), ErrClosed)
	n := 0
	for v, err := range q.All(background) {
		if err != nil || v != 1 {
			t.Fatal(v, err)
		}
		n++
	}
	if _, err := q.Get(background); n != 1 || !errors.Is(err, ErrClosed) {
		t.Errorf("%d messages, then %v", n, err)
	}
	//clock: that the time-out ends the wait is the subject
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	_, err := newSPSC[int64](t, 8, Options{}).Get(ctx)
	wantErr(t, err, context.DeadlineExceeded)
}

// Stats count messages, bytes, waits and the high-water mark, and what was dropped.
func TestSPSCStats(t *testing.T) {
	q := newSPSC[line](t, 4, Options{WhenFull: DropNewest})
	for range 6 {
		wantErr(t, q.Put(background, line{}), nil)
	}
	wantErr(t, q.TryPut(line{}), ErrFull) // drops nothing
	n, err := q.PutBatch(background, make([]line, 3))
	if n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got, want := q.Stats(), (Stats{Put: 4, Dropped: 5, Bytes: 4 * 64, HighWater: 4}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for range 4 {
		_, err := q.TryGet()
		wantErr(t, err, nil)
	}
	done := make(chan error)
	go func() { _, err := q.Get(background); done <- err }()
	asleep.Await(t, q.o.Seg, 1)
	wantErr(t, q.Put(background, line{}), nil)
	wantErr(t, <-done, nil)
	if got, want := q.Stats(), (Stats{Put: 5, Got: 5, Dropped: 5, Bytes: 5 * 64, HighWater: 4, Waits: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Options that an SPSC cannot have are refused.
func TestSPSCOptions(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	for _, o := range []Options{{WhenFull: DropOldest}, {WhenFull: 7}, {WhenFull: -1}, {Joinable: true}} {
		_, err := NewSPSC[int64](seg, "q", 1, o)
		wantErr(t, err, fs.ErrInvalid)
		_, err = OpenSPSC[int64](seg, "q", o)
		wantErr(t, err, fs.ErrInvalid)
	}
}
