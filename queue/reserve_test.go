package queue

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A55: a place is reserved, then committed or aborted, and neither twice; the capacity is exact;
// what is reserved holds up what is behind it.
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

// A message belongs to the consumer that looks at it: others get the next ones. Its Release takes
// it out of the queue.
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
	//clock: that the time-out ends the wait is the subject
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

// The segment is closed without waiting for reservations; they cannot be ended any more, and others
// skip them.
func TestSegmentClosedWhileReserved(t *testing.T) {
	q, path := namedQueue[checked](t, 4, Options{})
	putChecked(t, q, 1, 1)
	p, err := q.Peek(background)
	wantErr(t, err, nil)
	r, err := q.Reserve(background)
	wantErr(t, err, nil)
	putChecked(t, q, 2, 2)
	if err := q.o.Seg.Close(); err != nil {
		t.Fatal(err)
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
