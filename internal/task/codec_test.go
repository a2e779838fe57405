package task

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shm"
)

// Their fields are there for reflection alone.
//
//lint:file-ignore U1000 fields that nothing but reflection reads
type (
	mixed struct {
		a  int
		ok bool
		b  [3]struct {
			x uint
			y [2]bool
		}
		c complex64
	}
	locked struct {
		mu sync.Mutex
		n  int
	}
)

func wayOf[T any](t *testing.T) way {
	t.Helper()
	c, err := CodecFor[T]()
	if err != nil {
		return 99
	}
	return c.Way
}

// Values of fixed size, int, uint and structs without fields among them, are copied as they are; a
// worker is the same binary.
func TestFixedSizesAreCopied(t *testing.T) {
	for name, got := range map[string]way{
		"int": wayOf[int](t), "uint": wayOf[uint](t), "struct{}": wayOf[struct{}](t), "[0]int": wayOf[[0]int](t), "bool": wayOf[bool](t),
		"mixed": wayOf[mixed](t), "[2]mixed": wayOf[[2]mixed](t), "duration": wayOf[time.Duration](t), "atomic": wayOf[atomic.Int64](t),
		"int64": wayOf[int64](t), "complex128": wayOf[complex128](t),
	} {
		if got != WayRaw {
			t.Errorf("%s travels in way %d", name, got)
		}
	}
	for name, got := range map[string]way{"[]int": wayOf[[]int](t), "[]uint": wayOf[[]uint](t), "[]mixed": wayOf[[]mixed](t), "[]byte": wayOf[[]byte](t)} {
		if got != WaySlice {
			t.Errorf("%s travels in way %d", name, got)
		}
	}
	for name, got := range map[string]way{
		"string": wayOf[string](t), "[]string": wayOf[[]string](t), "[]struct{}": wayOf[[]struct{}](t), "*int": wayOf[*int](t),
		"any": wayOf[any](t), "handle": wayOf[*shm.Counter](t), "[][]int": wayOf[[][]int](t), "time": wayOf[time.Time](t),
	} {
		if got != WayWire {
			t.Errorf("%s travels in way %d", name, got)
		}
	}
	if wayOf[uintptr](t) != 99 || wayOf[sync.Mutex](t) != 99 || wayOf[locked](t) != 99 || wayOf[[2]uintptr](t) != 99 {
		t.Error("an address or a lock of one process travels")
	}
}
