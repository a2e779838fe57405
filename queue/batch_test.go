package queue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

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
			if errors.Is(err, ErrClosed) {
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
	//clock: that the time-out ends the wait is the subject
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
