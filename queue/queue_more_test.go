package queue

import (
	"context"

	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A55: a place is reserved, then committed or aborted, and neither twice; the capacity is exact; what is reserved holds up what is behind it.
func TestReserve(t *testing.T) {
	for name, start := range starts {
		t.Run("start"+name, func(t *testing.T) {
			q := newQueue[int64](t, 4, Options{}.startingAt(start))
			a, err := q.Reserve(background)
			wantErr(t, err, nil)
			b, err := q.Reserve(background)
			wantErr(t, err, nil)
			mustPut(t, q, 3)
			c, err := q.Reserve(background)
			wantErr(t, err, nil)
			wantErr(t, q.TryPut(9), ErrFull)
			*b.Value, *c.Value = 2, 4
			wantErr(t, c.Commit(), nil)
			wantErr(t, b.Commit(), nil)
			_, err = q.TryGet()
			wantErr(t, err, ErrEmpty)
			copied := a //nolint:govet // a copy, against the rules, does no harm
			wantErr(t, a.Abort(), nil)
			for range 2 {
				wantErr(t, a.Abort(), ErrNotHeld)
				wantErr(t, a.Commit(), ErrNotHeld)
				wantErr(t, b.Commit(), ErrNotHeld)
			}
			wantErr(t, copied.Commit(), ErrNotHeld)
			mustGet(t, q, 2, 3, 4)
			_, err = q.TryGet()
			wantErr(t, err, ErrEmpty)
			if s := q.Stats(); s.Abandoned != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// What one looks at is his: others get the next messages. It is out of the queue when he has released it.
func TestPeek(t *testing.T) {
	q := newQueue[int64](t, 2, Options{})
	mustPut(t, q, 1, 2)
	p, err := q.Peek(background)
	wantErr(t, err, nil)
	mustGet(t, q, 2)
	wantErr(t, q.TryPut(3), ErrFull) // its slot is the next
	if *p.Value != 1 {
		t.Errorf("sees %d", *p.Value)
	}
	wantErr(t, p.Release(), nil)
	wantErr(t, p.Release(), ErrNotHeld)
	mustPut(t, q, 3, 4)
	mustGet(t, q, 3, 4)
}

// Reserve and Peek wait, as Put and Get do.
func TestReserveAndPeekWait(t *testing.T) {
	q := newQueue[int64](t, 1, Options{})
	var got int64
	done := proctest.MustBlock(t, func() {
		p, err := q.Peek(background)
		if err != nil {
			t.Error(err)
			return
		}
		got = *p.Value
		if err := p.Release(); err != nil {
			t.Error(err)
		}
	})
	mustPut(t, q, 5)
	<-done
	if got != 5 {
		t.Errorf("saw %d", got)
	}
	mustPut(t, q, 6)
	done = proctest.MustBlock(t, func() {
		r, err := q.Reserve(background)
		if err != nil {
			t.Error(err)
			return
		}
		*r.Value = 7
		if err := r.Commit(); err != nil {
			t.Error(err)
		}
	})
	mustGet(t, q, 6)
	<-done
	mustGet(t, q, 7)
	ctx, cancel := context.WithTimeout(background, 5*time.Millisecond)
	defer cancel()
	_, err := q.Peek(ctx)
	wantErr(t, err, context.DeadlineExceeded)
	mustPut(t, q, 8)
	_, err = q.Reserve(ctx)
	wantErr(t, err, context.DeadlineExceeded)
	q.Close()
	_, err = q.Reserve(background)
	wantErr(t, err, ErrClosed)
	mustGet(t, q, 8)
	_, err = q.Peek(background)
	wantErr(t, err, ErrClosed)
}

// Batches keep their order, are larger than the queue if need be, and lose nothing.
func TestBatch(t *testing.T) {
	const each, producers = 300, 3
	for _, capacity := range []int{1, 8, 1024} {
		q := newQueue[int64](t, capacity, Options{})
		var all sync.WaitGroup
		for p := range int64(producers) {
			all.Go(func() {
				for from := int64(0); from < each; from += 50 {
					vs := make([]int64, 50)
					for i := range vs {
						vs[i] = p*each + from + int64(i)
					}
					if n, err := q.PutBatch(background, vs); n != len(vs) || err != nil {
						t.Error(n, err)
					}
				}
			})
		}
		go func() { all.Wait(); q.Close() }()
		var last [producers]int64
		total := 0
		buf := make([]int64, 7)
		for {
			n, err := q.GetBatch(background, buf)
			if err == ErrClosed {
				break
			}
			wantErr(t, err, nil)
			for _, v := range buf[:n] {
				if p := v / each; v%each+1 <= last[p] {
					t.Fatalf("message %d after %d of producer %d", v%each, last[p]-1, p)
				} else {
					last[p] = v%each + 1
				}
			}
			total += n
		}
		if total != producers*each {
			t.Errorf("capacity %d: %d messages", capacity, total)
		}
	}
}

func TestBatchEnds(t *testing.T) {
	q := newQueue[int64](t, 2, Options{})
	if n, err := q.PutBatch(background, nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := q.GetBatch(background, nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	ctx, cancel := context.WithTimeout(background, 5*time.Millisecond)
	defer cancel()
	n, err := q.PutBatch(ctx, []int64{1, 2, 3})
	if n != 2 {
		t.Errorf("put %d", n)
	}
	wantErr(t, err, context.DeadlineExceeded)
	mustGet(t, q, 1, 2)
	_, err = q.GetBatch(ctx, make([]int64, 2))
	wantErr(t, err, context.DeadlineExceeded)
	mustPut(t, q, 7)
	q.Close()
	buf := make([]int64, 2)
	if n, err := q.GetBatch(background, buf); n != 1 || err != nil || buf[0] != 7 {
		t.Error(n, err, buf)
	}
	_, err = q.GetBatch(background, buf)
	wantErr(t, err, ErrClosed)
	_, err = q.PutBatch(background, buf)
	wantErr(t, err, ErrClosed)
}

// A full queue drops the newest, or the oldest, and counts; it does not wait.
func TestDrops(t *testing.T) {
	newest := newQueue[int64](t, 2, Options{WhenFull: DropNewest})
	for v := range int64(5) {
		wantErr(t, newest.Put(background, v), nil)
	}
	wantErr(t, newest.TryPut(9), ErrFull)
	_, err := newest.Reserve(background)
	wantErr(t, err, ErrFull)
	if n, err := newest.PutBatch(background, make([]int64, 3)); n != 0 || err != nil {
		t.Error(n, err)
	}
	if got, want := newest.Stats(), (Stats{Put: 2, Dropped: 7, Bytes: 16, HighWater: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	mustGet(t, newest, 0, 1)

	oldest := newQueue[int64](t, 2, Options{WhenFull: DropOldest})
	for v := range int64(5) {
		wantErr(t, oldest.Put(background, v), nil)
	}
	wantErr(t, oldest.TryPut(9), ErrFull)
	r, err := oldest.Reserve(background) // drops 3
	wantErr(t, err, nil)
	*r.Value = 5
	wantErr(t, r.Commit(), nil)
	if n, err := oldest.PutBatch(background, []int64{6, 7, 8}); n != 3 || err != nil {
		t.Error(n, err)
	}
	if got, want := oldest.Stats(), (Stats{Put: 9, Got: 7, Dropped: 7, Bytes: 72, HighWater: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	mustGet(t, oldest, 7, 8)
}

// DropOldest waits for a message that is being read just now.
func TestDropOldestWaitsForAReader(t *testing.T) {
	q := newQueue[int64](t, 1, Options{WhenFull: DropOldest})
	mustPut(t, q, 1)
	p, err := q.Peek(background)
	wantErr(t, err, nil)
	var put error
	done := proctest.MustBlock(t, func() { put = q.Put(background, 2) })
	wantErr(t, p.Release(), nil)
	<-done
	wantErr(t, put, nil)
	mustGet(t, q, 2)
}

// Many producers that drop the oldest, and consumers: every message is got or counted as dropped.
func TestDropOldestCountsAll(t *testing.T) {
	for _, capacity := range []int{1, 2, 16} {
		q := newQueue[int64](t, capacity, Options{WhenFull: DropOldest})
		var producers, consumers sync.WaitGroup
		var got atomic.Int64
		const each = 3000
		for range 3 {
			producers.Go(func() {
				for v := range int64(each) {
					if err := q.Put(background, v); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 2 {
			consumers.Go(func() {
				for range q.All(background) {
					got.Add(1)
				}
			})
		}
		producers.Wait()
		q.Close()
		consumers.Wait()
		if s := q.Stats(); uint64(got.Load())+s.Dropped != 3*each || s.Put != 3*each || s.Got != s.Put || s.Abandoned != 0 {
			t.Errorf("capacity %d: got %d, %+v", capacity, got.Load(), s)
		}
	}
}

// Stats count those who wait, and the most messages there were.
func TestStatsWaits(t *testing.T) {
	q := newQueue[int64](t, 256, Options{})
	done := proctest.MustBlock(t, func() { q.Get(background) })
	time.Sleep(20 * time.Millisecond)
	mustPut(t, q, 1)
	<-done
	for v := range int64(200) {
		mustPut(t, q, v)
	}
	s := q.Stats()
	if s.Waits != 1 || s.HighWater != 200 {
		t.Errorf("%+v", s)
	}
	for range 200 {
		q.TryGet()
	}
	for range 1000 {
		mustPut(t, q, 1)
		q.TryGet()
	}
	if s = q.Stats(); s.HighWater != 200 {
		t.Errorf("%+v", s)
	}
}

func TestQueueOptions(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	for _, w := range []WhenFull{-1, 3} {
		_, err := NewQueue[int64](seg, "q", 1, Options{WhenFull: w})
		wantErr(t, err, fs.ErrInvalid)
		_, err = OpenQueue[int64](seg, "q", Options{WhenFull: w})
		wantErr(t, err, fs.ErrInvalid)
	}
}

// The segment is closed without waiting for reservations; they cannot be ended any more, and others skip them.
func TestSegmentClosedWhileReserved(t *testing.T) {
	q, path := namedQueue[checked](t, 4, Options{})
	putChecked(t, q, 1, 1)
	p, err := q.Peek(background)
	wantErr(t, err, nil)
	r, err := q.Reserve(background)
	wantErr(t, err, nil)
	putChecked(t, q, 2, 2)
	began := time.Now()
	if err := q.o.Seg.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	*r.Value = messageOf(9)
	wantErr(t, r.Commit(), shm.ErrClosed)
	wantErr(t, p.Release(), shm.ErrClosed)
	q2, err := OpenQueue[checked](reopen(t, path), "q", Options{})
	wantErr(t, err, nil)
	getChecked(t, q2, 2, 2)
	usable(t, q2)
	wantAbandoned(t, q2, 2)
}

// A put and its room pass the right to use an ordinary variable on, whichever operations are used.
func TestOwnershipPassesWithoutCopies(t *testing.T) {
	q := newQueue[bool](t, 1, Options{})
	shared := 0
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 300 {
				r, err := q.Reserve(background)
				wantErr(t, err, nil)
				wantErr(t, r.Commit(), nil)
				shared++
				p, err := q.Peek(background)
				wantErr(t, err, nil)
				wantErr(t, p.Release(), nil)
			}
		})
	}
	all.Wait()
	if shared != 900 {
		t.Errorf("counted to %d", shared)
	}
}
