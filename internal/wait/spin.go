package wait

import (
	"runtime"
	"strconv"
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

// String names the policy as package shmsync does.
func (p Policy) String() string {
	switch p {
	case Adaptive:
		return "Adaptive"
	case Parking:
		return "Park"
	case Spinning:
		return "Spin"
	}
	return "WaitPolicy(" + strconv.Itoa(int(p)) + ")"
}

// spinTime is how long an adaptive wait spins before it parks: about what a sleep
// and a wake-up cost, so that waiting never costs more than twice the best choice.
const spinTime = 30 * time.Microsecond

// spinPauses is spinTime in pauses of this machine, which differ by a factor of
// ten between processors.
var spinPauses = sync.OnceValue(func() uint32 { return pausesIn(spinTime, timePauses) })

// timePauses is how long n pauses take.
func timePauses(n uint32) time.Duration {
	t := time.Now()
	cpu.Pause(n)
	return time.Since(t)
}

// fewestPauses and mostPauses bound what a measurement may lead to.
const (
	fewestPauses = 64
	mostPauses   = 1 << 15
)

// pausesIn measures how many pauses fit into d. An interruption only lengthens a sample, so the
// shortest counts; samples are short, so that on a busy machine one of them is whole.
func pausesIn(d time.Duration, measure func(n uint32) time.Duration) uint32 {
	const (
		samples = 16
		sample  = 256 // pauses
	)
	best := time.Hour
	for range samples {
		best = min(best, measure(sample))
	}
	return uint32(min(max(sample*d/max(best, 1), fewestPauses), mostPauses))
}

// closePauses is the number of shortest pauses that a spin begins with. The answer of a process
// that is awake arrives during them, and growing pauses would delay it.
const closePauses = 32

// A Spin is the spinning part of one wait: pauses that double from first to last,
// until the time for spinning is used up. An adaptive one yields once before it ends.
type Spin struct {
	pause, last, left uint32
	near              uint32 // how many pauses come before they grow
	endless           bool
	yield             bool // look once more after other goroutines had a chance to run
}

// NewSpin starts the spinning part of a wait with this policy. The pauses, in units of [cpu.Pause],
// begin with first and grow to last; where first is the shortest, 1, they do so after a few dozen.
func NewSpin(p Policy, first, last uint32) Spin {
	s := Spin{pause: first, last: last, endless: p == Spinning, yield: p == Adaptive}
	if p == Adaptive && cpu.Multi {
		s.left = spinPauses()
	}
	if first == 1 {
		s.near = closePauses
	}
	return s
}

// Pause lets some time pass before the next look. It reports false, without a
// pause, when it is time to park.
func (s *Spin) Pause() bool {
	n := s.pause
	if s.left < n {
		if !s.endless && !s.yield {
			return false
		}
		if s.endless {
			s.left = spinPauses()
		}
		s.yield = false
		runtime.Gosched() // a goroutine of this process may have to end the wait
		return true
	}
	s.left -= n
	cpu.Pause(n)
	if s.near > 0 {
		s.near--
	} else {
		s.pause = min(2*n, s.last)
	}
	return true
}
