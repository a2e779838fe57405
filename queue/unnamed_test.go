//go:build linux

package queue_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A lone is a handle of any kind.
type lone interface {
	MarshalBinary() ([]byte, error)
	UnmarshalBinary([]byte) error
	Name() string
	Detach() error
}

// Queues of every kind do without a name: handles lead to them, and they end with the last handle.
func TestQueuesWithoutAName(t *testing.T) {
	type maker struct {
		make func(*shm.Segment, string) (lone, error)
		open func(*shm.Segment, string) (lone, error)
		zero lone
	}
	o := queue.Options{}
	for kind, m := range map[string]maker{
		"Queue": {func(s *shm.Segment, n string) (lone, error) { return queue.NewQueue[int64](s, n, 8, o) },
			func(s *shm.Segment, n string) (lone, error) { return queue.OpenQueue[int64](s, n, o) }, new(queue.Queue[int64])},
		"SPSC": {func(s *shm.Segment, n string) (lone, error) { return queue.NewSPSC[int64](s, n, 8, o) },
			func(s *shm.Segment, n string) (lone, error) { return queue.OpenSPSC[int64](s, n, o) }, new(queue.SPSC[int64])},
		"Broadcast": {func(s *shm.Segment, n string) (lone, error) { return queue.NewBroadcast[int64](s, n, 8, o) },
			func(s *shm.Segment, n string) (lone, error) { return queue.OpenBroadcast[int64](s, n, o) }, new(queue.Broadcast[int64])},
		"Bytes": {func(s *shm.Segment, n string) (lone, error) { return queue.NewBytes(s, n, 4096, o) },
			func(s *shm.Segment, n string) (lone, error) { return queue.OpenBytes(s, n, o) }, new(queue.Bytes)},
		"Objects": {func(s *shm.Segment, n string) (lone, error) { return queue.NewObjects[string](s, n, 4096, o) },
			func(s *shm.Segment, n string) (lone, error) { return queue.OpenObjects[string](s, n, o) }, new(queue.Objects[string])},
	} {
		t.Run(kind, func(t *testing.T) {
			seg, err := shm.Anonymous(shm.Options{Size: 1 << 20, Objects: 64, Processes: 16})
			if err != nil {
				t.Fatal(err)
			}
			defer seg.Close()
			if _, err := m.make(nil, "a"); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("make it in a nil segment: %v", err)
			}
			if _, err := m.open(nil, "a"); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("open it in a nil segment: %v", err)
			}
			first, err := m.make(seg, "")
			if err != nil {
				t.Fatal(err)
			}
			second, err := m.make(seg, "")
			if err != nil {
				t.Fatal(err)
			}
			handle, err := first.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			if other, err := second.MarshalBinary(); err != nil || string(other) == string(handle) {
				t.Fatalf("two objects without a name are one: %v", err)
			}
			if err := m.zero.UnmarshalBinary(handle); err != nil {
				t.Fatal(err)
			}
			if first.Name() != "" || m.zero.Name() != "" {
				t.Errorf("its name is %q, or %q", first.Name(), m.zero.Name())
			}
			if _, err := m.open(seg, ""); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("open without a name: %v", err)
			}
			for i, h := range []lone{second, m.zero, first} {
				if r, err := segment.Of(seg).Check(); err != nil || r.Unnamed != []int{2, 1, 1}[i] {
					t.Errorf("%+v, %v before handle %d goes", r, err, i)
				}
				if err := h.Detach(); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := segment.Of(seg).Check(); err != nil || r.Unnamed != 0 {
				t.Errorf("%+v, %v after the last", r, err)
			}
		})
	}
}
