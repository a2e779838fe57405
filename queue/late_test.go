package queue

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// A call that ends with its context names the queue, where it is, and what it has waited for.
func TestTimeoutsNameTheQueue(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	q, err1 := NewQueue[int64](seg, "numbers", 2, Options{})
	s, err2 := NewSPSC[int64](seg, "stream", 2, Options{})
	b, err3 := NewBytes(seg, "texts", 64, Options{})
	o, err4 := NewObjects[string](seg, "objects", 64, Options{})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w, err := NewBroadcast[int64](seg, "news", 2, Options{})
	wantErr(t, err, nil)
	r := w.mustSubscribe(FromNewest)
	type call = func() error
	for name, calls := range map[string]struct{ gets, puts []call }{
		"numbers": {
			[]call{
				func() error { _, err := q.Get(ended); return err },
				func() error { _, err := q.GetBatch(ended, make([]int64, 2)); return err },
				func() error { _, err := q.Peek(ended); return err },
			}, []call{
				func() error { return q.Put(ended, 1) },
				func() error { _, err := q.PutBatch(ended, []int64{1}); return err },
				func() error { _, err := q.Reserve(ended); return err },
			},
		},
		"stream": {
			[]call{
				func() error { _, err := s.Get(ended); return err },
				func() error { _, err := s.GetBatch(ended, make([]int64, 2)); return err },
				func() error { _, err := s.Peek(ended); return err },
			}, []call{
				func() error { return s.Put(ended, 1) },
				func() error { _, err := s.PutBatch(ended, []int64{1}); return err },
				func() error { _, err := s.Reserve(ended); return err },
			},
		},
		"texts": {
			[]call{
				func() error { _, err := b.Get(ended); return err },
				func() error { _, err := b.GetBatch(ended, make([][]byte, 2)); return err },
				func() error { _, err := b.Peek(ended); return err },
			}, []call{
				func() error { return b.Put(ended, make([]byte, 60)) },
				func() error { _, err := b.PutBatch(ended, [][]byte{make([]byte, 60)}); return err },
				func() error { _, err := b.Reserve(ended, 60); return err },
			},
		},
		"objects": {
			[]call{
				func() error { _, err := o.Get(ended); return err },
				func() error { _, err := o.GetBatch(ended, make([]string, 2)); return err },
			}, []call{
				func() error { return o.Put(ended, strings.Repeat("x", 60)) },
				func() error { _, err := o.PutBatch(ended, []string{strings.Repeat("x", 60)}); return err },
			},
		},
		"news": {
			[]call{
				func() error { _, err := r.Get(ended); return err },
				func() error { _, err := r.GetBatch(ended, make([]int64, 2)); return err },
			}, nil,
		},
	} {
		for _, get := range calls.gets {
			wantLate(t, get(), `"`+name+`"`, "waited for a message", seg.Path())
		}
		for i, put := range calls.puts {
			for i == 0 && put() == nil { // until it is full
			}
			wantLate(t, put(), `"`+name+`"`, "waited for room", seg.Path())
		}
	}
}

// A wait that a process keeps up names it: the one that has the oldest message, or the other role.
func TestTimeoutsNameTheHolder(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := NewSPSC[int64](seg, "stream", 2, Options{})
	wantErr(t, err, nil)
	wantErr(t, s.TryPut(1), nil)
	_, err = s.TryGet()
	wantErr(t, err, nil)
	_, err = s.Get(ended)
	wantLate(t, err, "is the producer", "pid ")

	q, err := NewQueue[int64](seg, "numbers", 2, Options{})
	wantErr(t, err, nil)
	held, err := q.Reserve(t.Context())
	wantErr(t, err, nil)
	_, err = q.Get(ended)
	wantLate(t, err, "writes the oldest", "pid ")
	wantErr(t, held.Commit(), nil)

	b, err := NewBytes(seg, "texts", 64, Options{})
	wantErr(t, err, nil)
	place, err := b.Reserve(t.Context(), 60)
	wantErr(t, err, nil)
	_, err = b.Get(ended)
	wantLate(t, err, "writes the oldest", "pid ")
	wantLate(t, b.Put(ended, make([]byte, 60)), "has the oldest", "pid ")
	wantErr(t, place.Commit(), nil)
}

func wantLate(t *testing.T, err error, mentions ...string) {
	t.Helper()
	for _, m := range mentions {
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), m) {
			t.Errorf("%v: is not the end of the context, or does not mention %q", err, m)
		}
	}
}
