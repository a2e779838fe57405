//go:build !amd64

package cpu

import "sync/atomic"

// Poll looks at *p until it is not old, at most that many times, with a [Pause] after each look. It
// returns nothing: the caller loads *p, which orders what it reads next. p must be aligned to 8
// bytes.
func Poll(p *uint64, old uint64, place *byte, looks uint32) {
	for ; looks > 0; looks-- {
		if Prefetch(place); atomic.LoadUint64(p) != old {
			return
		}
		Pause(1)
	}
}
