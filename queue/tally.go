package queue

import "sync/atomic"

// A tally is what a queue counts about itself, in shared memory. Only slow paths write it.
//
//	off  size  field      written by                                    read by         initial
//	  0     8  dropped    who finds the queue full and drops a message  Stats           0
//	  8     8  waits      who is going to sleep                         Stats           0
//	 16     8  highWater  who sees more messages than ever before       Stats           0
//	 24     8  -
type tally struct {
	dropped   atomic.Uint64
	waits     atomic.Uint64
	highWater atomic.Uint64
	_         [8]byte
}

const tallyBytes = 32

// saw notes that there were n messages in the queue at once.
func (t *tally) saw(n uint64) {
	for high := t.highWater.Load(); n > high && !t.highWater.CompareAndSwap(high, n); high = t.highWater.Load() {
	}
}
