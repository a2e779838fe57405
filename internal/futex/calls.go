package futex

import "sync/atomic"

// Calls is how many system calls of each kind this process has made.
type Calls struct {
	Waits       uint64 // futex waits, of one word or of several, whether they slept or not
	Wakes       uint64 // futex wake-ups, whether a sleeper was found or not
	Membarriers uint64
}

// calls counts on the way into the kernel, beside which an addition costs nothing.
var calls struct{ waits, wakes, membarriers atomic.Uint64 }

// Counted returns the calls since the start of the process. A call is counted before it is made.
func Counted() Calls {
	return Calls{Waits: calls.waits.Load(), Wakes: calls.wakes.Load(), Membarriers: calls.membarriers.Load()}
}

// Since returns the calls between before, an earlier result of [Counted], and c.
func (c Calls) Since(before Calls) Calls {
	return Calls{
		Waits:       c.Waits - before.Waits,
		Wakes:       c.Wakes - before.Wakes,
		Membarriers: c.Membarriers - before.Membarriers,
	}
}
