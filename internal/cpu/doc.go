// Package cpu gives the few processor instructions that Go's atomics do not: a pause for spin
// loops, a store that is a release and no more, fences for loads and for stores, a prefetch for
// writing, and a copy to lines of others.
//
// sync/atomic is sequentially consistent: on amd64 its stores are XCHG, a full fence that waits for
// the store buffer to drain. A message that only has to be published needs a release store, which
// there is a plain MOV. Where no assembly exists the package falls back to sync/atomic: the same
// guarantees and more, at a higher price.
//
// None of these functions is seen by the race detector.
package cpu

import "runtime"

// LineBytes is the size of a cache line in bytes, on every processor that matters here. Two words
// that different processes write belong at least this far apart; twice that where the processor
// fetches lines in pairs.
const LineBytes = 64

// LongCopy is the length in bytes from which on CopyOut is faster than copy. Below it PrefetchWrite
// helps.
const LongCopy = 2560

// Multi says whether this process may run on more than one CPU at once. The scheduling affinity it
// started with counts. Without a second CPU a spin loop only burns the time that the other side
// needs.
var Multi = runtime.NumCPU() > 1
