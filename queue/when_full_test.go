package queue

import (
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

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

// DropOldest waits for a message that is being written just now, and drops it soon after that,
// although no consumer takes it.
func TestDropOldestWaitsForAWriter(t *testing.T) {
	q := newQueue[int64](t, 2, Options{WhenFull: DropOldest})
	oldest, err := q.Reserve(background)
	wantErr(t, err, nil)
	mustPut(t, q, 2)
	var put error
	done := proctest.MustBlock(t, func() { put = q.Put(patient, 3) })
	*oldest.Value = 1
	wantErr(t, oldest.Commit(), nil)
	select {
	case <-done:
	case <-time.After(proctest.Hang):
		t.Fatal("it waits for a consumer")
	}
	wantErr(t, put, nil)
	mustGet(t, q, 2, 3)
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

func TestQueueOptions(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	for _, w := range []WhenFull{-1, 3} {
		_, err := NewQueue[int64](seg, "q", 1, Options{WhenFull: w})
		wantErr(t, err, fs.ErrInvalid)
		_, err = OpenQueue[int64](seg, "q", Options{WhenFull: w})
		wantErr(t, err, fs.ErrInvalid)
	}
}
