package ring

import (
	"math/bits"

	"github.com/shmkit/shmkit/internal/segment"
)

const (
	// MaxCapacity and MaxBytes keep sums and products of sizes far from overflow.
	MaxCapacity = 1 << 30
	MaxBytes    = 1 << 46

	// Retries is how often an operation tries, beyond two times round the ring, while other
	// processes are faster each time. In a ring that is in order no operation ever tries so often.
	Retries = 1 << 16
)

// SlotsFor is the real capacity of a queue that must hold at least n messages, which lie stride
// bytes apart: a power of two.
//
// Errors: [io/fs.ErrInvalid].
func SlotsFor(name string, n int, stride uintptr) (uint64, error) {
	most := min(MaxCapacity, MaxBytes/uint64(stride))
	slots := uint64(1) << bits.Len64(uint64(max(n, 1))-1)
	if n < 1 || slots > most {
		return 0, segment.Invalid("queue: %q: capacity %d: must be from 1 to %d messages", name, n, most)
	}
	return slots, nil
}
