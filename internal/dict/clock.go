package dict

import (
	"math"
	"time"

	"github.com/shmkit/shmkit/internal/segment"
)

// Expiries count in ticks of the machine's monotonic clock, which all its processes share. They
// mean nothing in another boot: each stripe says to which one its expiries belong.
const (
	tick      = 32 * time.Millisecond
	maxExpiry = 1<<33 - 1 // a machine that is up for 8 years reaches it
)

var (
	startTime  = time.Now()
	startTicks = monotonic()
)

// ticks is the present time.
func ticks() uint64 { return uint64(startTicks+time.Since(startTime)) / uint64(tick) }

// Ticks is a span in ticks, rounded up; at least 1 for one that is not 0.
func Ticks(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	if d > math.MaxInt64-tick {
		return uint64(d / tick)
	}
	return uint64((d + tick - 1) / tick)
}

// bootWord tells boots of the machine apart.
func bootWord() uint32 {
	b := segment.Boot()
	w := b[0] ^ b[1]
	return uint32(w^w>>32) | 1
}

// expiryIn is when something expires that lives for so many ticks from now on; 0: never.
func (m *Map) expiryIn(ttl uint64) uint64 {
	if ttl == 0 {
		return 0
	}
	return min(m.ticks()+ttl+1, maxExpiry) // the present tick has begun already
}
