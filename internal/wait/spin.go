package wait

import (
	"runtime"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
)

// Policy says how a blocking call waits.
type Policy int

const (
	// Adaptive spins for some microseconds and then parks.
	Adaptive Policy = iota
	// Parking goes to sleep at once: the least CPU time.
	Parking
	// Spinning never sleeps: the least latency, for a machine with a core to spare
	// for each such waiter.
	Spinning
)

// spinTime is how long an adaptive wait spins before it parks: about what a sleep
// and a wake-up cost, so that waiting never costs more than twice the best choice.
const spinTime = 30 * time.Microsecond

// spinPauses is spinTime in pauses of this machine, which differ by a factor of
// ten between processors.
var spinPauses = sync.OnceValue(func() uint32 {
	const sample = 2000
	best := time.Hour
	for range 3 { // the shortest of three: an interruption only lengthens it
		t := time.Now()
		cpu.Pause(sample)
		best = min(best, time.Since(t))
	}
	each := max(best/sample, 1)
	return uint32(min(max(spinTime/each, 64), 1<<15))
})

// A Spin is the spinning part of one wait: pauses that double from first to last,
// until the time for spinning is used up.
type Spin struct {
	pause, last, left uint32
	endless           bool
}

// NewSpin starts the spinning part of a wait with this policy. The pauses, in
// units of [cpu.Pause], begin with first and grow to last.
func NewSpin(p Policy, first, last uint32) Spin {
	s := Spin{pause: first, last: last, endless: p == Spinning}
	if p == Adaptive && cpu.Multi {
		s.left = spinPauses()
	}
	return s
}

// Pause lets some time pass before the next look. It reports false, without a
// pause, when it is time to park.
func (s *Spin) Pause() bool {
	n := s.pause
	if s.left < n {
		if !s.endless {
			return false
		}
		s.left = spinPauses()
		runtime.Gosched() // others of this process may need the processor
		return true
	}
	s.left -= n
	cpu.Pause(n)
	s.pause = min(2*n, s.last)
	return true
}
