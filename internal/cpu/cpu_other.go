//go:build !amd64 && !arm64

package cpu

import "sync/atomic"

// Pause returns after n turns of an empty loop; 0 returns at once. It never enters the Go
// scheduler.
func Pause(n uint32) {
	for ; n > 0; n-- {
		pauseOnce()
	}
}

//go:noinline
func pauseOnce() {}

// StoreRelease32 sets *p to v. Every load and store before it is visible to a thread that sees v
// with an atomic load. p must be aligned to 4 bytes.
func StoreRelease32(p *uint32, v uint32) { atomic.StoreUint32(p, v) }

// StoreRelease64 is StoreRelease32 for 64 bits. p must be aligned to 8 bytes.
func StoreRelease64(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

var fence atomic.Uint32

// LoadFence orders every load before it before every load after it. A reader of a sequence lock
// needs it between copying the data and looking at the sequence again.
func LoadFence() { fence.Add(1) }

// StoreFence orders every store before it before every store after it. A writer of a sequence lock
// needs it between saying that the data is about to change and changing it.
func StoreFence() { fence.Add(1) }
