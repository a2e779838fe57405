package queue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/shm"
)

// A61: closing wakes all waiters; what is there is still delivered, what is reserved can be
// committed.
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
	asleep.Await(t, b.o.Seg, 1)
	wantErr(t, b.Close(), nil)
	wantErr(t, b.TryPut(nil), ErrClosed)
	asleep.Await(t, b.o.Seg, 1) // the close has ended no more than it may
	copy(res.Value, "abc")
	wantErr(t, res.Commit(), nil)
	all.Wait()
	_, err = b.Get(background)
	wantErr(t, err, ErrClosed)

	full := newBytes(t, 8, Options{})
	for full.TryPut(nil) == nil {
	}
	all.Go(func() { wantErr(t, full.Put(background, nil), ErrClosed) })
	asleep.Await(t, full.o.Seg, 1)
	wantErr(t, full.Close(), nil)
	all.Wait()
	//clock: that the time-out ends the wait is the subject
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	_, err = newBytes(t, 8, Options{}).Get(ctx)
	wantErr(t, err, context.DeadlineExceeded)
}

// Closed by this process, the segment gives nothing more; Close waits for what the process has in
// its hands.
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
	asleep.Await(t, seg, 1)
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
