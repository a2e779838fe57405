//go:build linux

package shmsync_test

import (
	"encoding"
	"errors"
	"io/fs"
	"testing"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A lone is a handle of any kind.
type lone interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
	Name() string
	Detach() error
}

// A loneMaker makes an object and opens one by its name; zero is a handle for UnmarshalBinary.
type loneMaker struct {
	make func(seg *shm.Segment, name string) (lone, error)
	open func(seg *shm.Segment, name string) (lone, error)
	zero func() lone
}

func loneMakerOf[H any, O any, P interface {
	*H
	lone
}](make, open func(*shm.Segment, string, O) (P, error)) loneMaker {
	var options O
	return loneMaker{
		make: func(seg *shm.Segment, name string) (lone, error) { return make(seg, name, options) },
		open: func(seg *shm.Segment, name string) (lone, error) { return open(seg, name, options) },
		zero: func() lone { return P(new(H)) },
	}
}

// Locks of every kind do without a name: handles lead to them, and they end with the last handle.
func TestLocksWithoutAName(t *testing.T) {
	semaphore := func(seg *shm.Segment, name string, o shmsync.SemaphoreOptions) (*shmsync.Semaphore, error) {
		return shmsync.NewSemaphore(seg, name, 2, o)
	}
	barrier := func(seg *shm.Segment, name string, o shmsync.BarrierOptions) (*shmsync.Barrier, error) {
		return shmsync.NewBarrier(seg, name, 2, o)
	}
	for kind, m := range map[string]loneMaker{
		"Mutex":          loneMakerOf(shmsync.NewMutex, shmsync.OpenMutex),
		"RecursiveMutex": loneMakerOf(shmsync.NewRecursiveMutex, shmsync.OpenRecursiveMutex),
		"RWMutex":        loneMakerOf(shmsync.NewRWMutex, shmsync.OpenRWMutex),
		"Semaphore":      loneMakerOf(semaphore, shmsync.OpenSemaphore),
		"Cond":           loneMakerOf(shmsync.NewCond, shmsync.OpenCond),
		"Event":          loneMakerOf(shmsync.NewEvent, shmsync.OpenEvent),
		"Barrier":        loneMakerOf(barrier, shmsync.OpenBarrier),
		"Once":           loneMakerOf(shmsync.NewOnce, shmsync.OpenOnce),
		"WaitGroup":      loneMakerOf(shmsync.NewWaitGroup, shmsync.OpenWaitGroup),
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
			other, err := second.MarshalBinary()
			if err != nil || string(other) == string(handle) {
				t.Fatalf("two objects without a name are one: %v", err)
			}
			same := m.zero()
			if err := same.UnmarshalBinary(handle); err != nil {
				t.Fatal(err)
			}
			if first.Name() != "" || same.Name() != "" {
				t.Errorf("its name is %q, or %q", first.Name(), same.Name())
			}
			if _, err := m.open(seg, ""); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("open without a name: %v", err)
			}
			for want, h := range []lone{second, same, first} {
				if r, err := segment.Of(seg).Check(); err != nil || r.Unnamed != []int{2, 1, 1}[want] {
					t.Errorf("%+v, %v before handle %d goes", r, err, want)
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
