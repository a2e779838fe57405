package cast

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// A reader that finds a few messages at each look lets some gather before the next one, up to a
// bound; one that finds a single message does not, nor does one that is far behind for long.
func TestReaderGathers(t *testing.T) {
	const capacity = 1024
	s, err := segment.Create(filepath.Join(proctest.Dir(t), "segment"), segment.Config{Size: 1 << 20, Objects: 4, Processes: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	layout := Layout(8, 1)
	o, _, err := s.New(segment.Spec{
		Name: "b", Kind: segment.KindWaitingBroadcast, Type: "<q", Size: int64(layout.Head) + capacity*int64(layout.Stride),
		Init: func(mem []byte) { Init(mem, 8, capacity, 0, Traits{Readers: 1}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := View(o, 8)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Subscribe(Join{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// looks has the reader find n messages at once, and get them one by one.
	looks := func(n int) uint32 {
		t.Helper()
		for range n {
			at, err := r.Claim(context.Background(), &Claim{Try: true}, 1)
			if err != nil || !r.Begin(at+1) {
				t.Fatal(err)
			}
			r.Publish(at + 1)
		}
		if err := c.Await(context.Background()); err != nil || c.Until-c.Next != uint64(n) {
			t.Fatalf("%d messages, %v, want %d", c.Until-c.Next, err, n)
		}
		for c.Next != c.Until {
			c.Finish(c.Next + 1)
		}
		return c.gather
	}
	for i, step := range []struct {
		messages int
		gather   uint32
	}{
		{1, 0}, {1, 0}, // a conversation
		{2, 2}, {3, 4}, {2, 8}, {15, 16}, {2, 32}, {2, mostGather}, // a stream
		{100, mostGather},                             // neither few nor many
		{200, mostGather / 2}, {1000, mostGather / 4}, // the writer waits for the reader
		{2, mostGather / 2}, {1, 0}, {2, 2},
	} {
		if got := looks(step.messages); got != step.gather {
			t.Errorf("look %d, %d messages: %d pauses are let pass before the next, want %d", i, step.messages, got, step.gather)
		}
	}
	if err := r.Close(); err != nil && err != lock.ErrClosed {
		t.Error(err)
	}
}
