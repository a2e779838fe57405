package lock

import (
	"sync/atomic"
	"time"
)

// A HandoffTimer tells how long this process has seen a word of shared memory unchanged in which
// something is offered to another process. It remembers the word and the time at which it was first
// seen. That the same offer was made again in between may escape it; then the other process has to
// ask again.
//
// The zero value has seen nothing.
type HandoffTimer struct {
	seen atomic.Uint64 // bits 0..31: the word; 32..63: when, in microseconds since handoffEpoch
}

// handoffEpoch is what HandoffTimers count time from.
var handoffEpoch = time.Now()

// Expired reports whether w has been there for [HandoffTimeout] or longer.
func (t *HandoffTimer) Expired(w uint32) bool {
	now := uint32(time.Since(handoffEpoch).Microseconds())
	seen := t.seen.Load()
	if uint32(seen) != w {
		t.seen.Store(uint64(now)<<32 | uint64(w))
		return false
	}
	return now-uint32(seen>>32) >= uint32(HandoffTimeout.Microseconds())
}

// Reset forgets an offer that is over.
func (t *HandoffTimer) Reset() {
	if t.seen.Load() != 0 {
		t.seen.Store(0)
	}
}
