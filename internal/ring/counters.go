package ring

import "sync/atomic"

// Counters are what a queue counts about itself, in shared memory. Only slow paths write them.
//
//	off  size  field      written by                                        read by  initial
//	  0     8  Dropped    a producer that drops a message of a full queue   Stats    0
//	  8     8  Waits      a waiter that is going to sleep                   Stats    0
//	 16     8  HighWater  a process that sees a new maximum of messages     Stats    0
//	 24     8  -
type Counters struct {
	Dropped   atomic.Uint64
	Waits     atomic.Uint64
	HighWater atomic.Uint64
	_         [8]byte
}

const countersBytes = 32

// ObserveDepth notes that there were n messages in the queue at once.
func (c *Counters) ObserveDepth(n uint64) {
	for high := c.HighWater.Load(); n > high && !c.HighWater.CompareAndSwap(high, n); high = c.HighWater.Load() {
	}
}
