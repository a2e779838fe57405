package queue

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// A Put or Get that ends with its context names the queue, where it is, and what it has waited for.
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
	for name, calls := range map[string][2]func() error{
		"numbers": {func() error { _, err := q.Get(ended); return err }, func() error { return q.Put(ended, 1) }},
		"stream":  {func() error { _, err := s.Get(ended); return err }, func() error { return s.Put(ended, 1) }},
		"texts":   {func() error { _, err := b.Get(ended); return err }, func() error { return b.Put(ended, make([]byte, 60)) }},
		"objects": {nil, func() error { return o.Put(ended, strings.Repeat("x", 60)) }},
	} {
		get, put := calls[0], calls[1]
		if get != nil {
			wantLate(t, get(), name, "waited for a message")
		}
		for err = put(); err == nil; err = put() {
		}
		wantLate(t, err, name, "waited for room", seg.Path())
	}
}

func wantLate(t *testing.T, err error, mentions ...string) {
	t.Helper()
	for _, m := range mentions {
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), m) {
			t.Errorf("%v: is not the end of the context, or does not mention %q", err, m)
		}
	}
}
