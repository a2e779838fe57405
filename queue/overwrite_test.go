package queue

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
)

func newBroadcast[T any](t testing.TB, capacity int, o Options) *Broadcast[T] {
	t.Helper()
	b, err := NewBroadcast[T](newSegment(t, shm.Options{}), "b", capacity, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustBroadcast(t testing.TB, b *Broadcast[int64], values ...int64) {
	t.Helper()
	for _, v := range values {
		wantErr(t, b.Put(background, v), nil)
	}
}

func mustRead(t testing.TB, r *Reader[int64], want ...int64) {
	t.Helper()
	for _, w := range want {
		v, err := r.TryGet()
		if err != nil || v != w {
			t.Fatalf("read %d, %v, want %d", v, err, w)
		}
	}
}

// broadcastStarts are first positions, ordinary and just below the wrap-around.
var broadcastStarts = []uint64{0, 1<<63 - 6, ^uint64(0) - 5}

// Each reader sees every message, in order.
func TestOverwritingOrder(t *testing.T) {
	for _, start := range broadcastStarts {
		b := newBroadcast[int64](t, 4, overwriting.startingAt(start))
		readers := []*Reader[int64]{b.mustSubscribe(FromNewest), b.mustSubscribe(FromOldest)}
		for i := range int64(20) {
			_, err := readers[0].TryGet()
			wantErr(t, err, ErrEmpty)
			mustBroadcast(t, b, 2*i, 2*i+1)
			for _, r := range readers {
				mustRead(t, r, 2*i, 2*i+1)
			}
		}
		if s := b.Stats(); s.Put != 40 || s.Abandoned != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// A late reader begins with the next message, or with the oldest that is kept.
func TestOverwritingLateJoin(t *testing.T) {
	for _, start := range broadcastStarts {
		b := newBroadcast[int64](t, 4, overwriting.startingAt(start))
		mustBroadcast(t, b, 1, 2)
		mustRead(t, b.mustSubscribe(FromOldest), 1, 2)
		mustBroadcast(t, b, 3, 4, 5, 6, 7)
		newest, oldest := b.mustSubscribe(FromNewest), b.mustSubscribe(FromOldest)
		mustRead(t, oldest, 5, 6, 7)
		mustBroadcast(t, b, 8)
		mustRead(t, oldest, 8)
		mustRead(t, newest, 8)
	}
}

// A slow reader is told exactly how many messages it has lost, and goes on with the oldest that is
// kept.
func TestOverwritingLapped(t *testing.T) {
	for _, start := range broadcastStarts {
		b := newBroadcast[int64](t, 4, overwriting.startingAt(start))
		r := b.mustSubscribe(FromNewest)
		for v := range int64(4) {
			mustBroadcast(t, b, v)
		}
		mustRead(t, r, 0) // nothing is lost while nothing is overwritten
		for v := int64(4); v < 14; v++ {
			mustBroadcast(t, b, v)
		}
		_, err := r.TryGet()
		wantErr(t, err, ErrLapped)
		var lapped *LappedError
		if !errors.As(err, &lapped) || lapped.Lost != 10 {
			t.Fatalf("%v, want 10 lost", err)
		}
		mustRead(t, r, 11, 12, 13)
		_, err = r.TryGet()
		wantErr(t, err, ErrEmpty)
	}
}

func TestOverwritingLatest(t *testing.T) {
	for _, capacity := range []int{1, 4} {
		b := newBroadcast[int64](t, capacity, overwriting)
		_, err := b.Latest()
		wantErr(t, err, ErrEmpty)
		for i := range int64(10) {
			mustBroadcast(t, b, i)
			if v, err := b.Latest(); err != nil || v != i {
				t.Fatalf("%d, %v, want %d", v, err, i)
			}
		}
		res, err := b.Reserve(background)
		wantErr(t, err, nil)
		if v, err := b.Latest(); err != nil || v != 9 {
			t.Fatalf("while the next is written: %d, %v", v, err)
		}
		*res.Value = 10
		wantErr(t, b.Put(background, 0), ErrReserved)
		wantErr(t, res.Commit(), nil)
		wantErr(t, res.Commit(), ErrNotHeld)
		res, err = b.Reserve(background)
		wantErr(t, err, nil)
		wantErr(t, res.Abort(), nil)
		if v, err := b.Latest(); err != nil || v != 10 {
			t.Fatalf("%d, %v", v, err)
		}
	}
}

// A61: readers that wait, asleep or spinning, see what is put, and then the close.
func TestOverwritingWakesAll(t *testing.T) {
	for name, policy := range policies {
		b := newBroadcast[int64](t, 64, Options{Wait: policy, WhenFull: DropOldest})
		var all sync.WaitGroup
		for range 8 {
			r := b.mustSubscribe(FromNewest)
			all.Go(func() {
				want := int64(0)
				for v, err := range r.All(background) {
					if err != nil || v != want {
						t.Errorf("%s: %d, %v, want %d", name, v, err, want)
						return
					}
					want++
				}
				if want != 20 {
					t.Errorf("%s: %d messages", name, want)
				}
			})
		}
		for i := range int64(20) {
			proctest.Stagger(time.Millisecond) // so that readers sleep sometimes
			mustBroadcast(t, b, i)
		}
		wantErr(t, b.Close(), nil)
		all.Wait()
		wantErr(t, b.Put(background, 0), ErrClosed)
	}
	//clock: that the time-out ends the wait is the subject
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	_, err := newBroadcast[int64](t, 2, overwriting).mustSubscribe(FromNewest).Get(ctx)
	wantErr(t, err, context.DeadlineExceeded)
}

// After a Put everything that its goroutine did before is visible to the reader, for the race
// detector, too.
func TestOverwritingOrders(t *testing.T) {
	b := newBroadcast[int64](t, 2, overwriting)
	r := b.mustSubscribe(FromNewest)
	shared := 0
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := r.Get(background); err != nil || shared != 1 {
			t.Error(err, shared)
		}
	})
	shared = 1
	mustBroadcast(t, b, 1)
	all.Wait()
}

func TestOverwritingAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector allocates")
	}
	b := newBroadcast[line](t, 4, overwriting)
	r := b.mustSubscribe(FromNewest)
	if n := testing.AllocsPerRun(200, func() {
		b.Put(background, line{})
		r.Get(background)
		b.Latest()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Closed by this process, the segment gives nothing more.
func TestOverwritingSegmentClosed(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	wantErr(t, err, nil)
	b, err := NewBroadcast[int64](seg, "b", 4, overwriting)
	wantErr(t, err, nil)
	r := b.mustSubscribe(FromNewest)
	waiting := make(chan error)
	go func() {
		_, err := r.Get(background)
		waiting <- err
	}()
	asleep.Await(t, seg, 1)
	wantErr(t, seg.Close(), nil)
	wantErr(t, <-waiting, shm.ErrClosed)
	_, err = b.Latest()
	wantErr(t, err, shm.ErrClosed)
	wantErr(t, b.Put(background, 1), shm.ErrClosed)
	wantErr(t, b.Close(), shm.ErrClosed)
	_, err = b.Reserve(background)
	wantErr(t, err, shm.ErrClosed)
}

// BenchmarkBroadcast is what a message costs the writer, and a reader in the same goroutine.
func BenchmarkOverwriting(b *testing.B) {
	for _, readers := range []int{0, 1, 2} {
		b.Run("readers="+strconv.Itoa(readers), func(b *testing.B) {
			c, err := NewBroadcast[line](newSegment(b, shm.Options{}), "b", 1024, Options{})
			wantErr(b, err, nil)
			var rs []*Reader[line]
			for range readers {
				rs = append(rs, c.mustSubscribe(FromNewest))
			}
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				c.Put(background, line{i})
				for _, r := range rs {
					if v, err := r.TryGet(); err != nil || v[0] != i {
						b.Fatal(v, err)
					}
				}
			}
		})
	}
}
