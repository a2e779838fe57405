package cpu

// Poll looks at *p until it is not old, at most that many times, with a [Pause] after each look.
// With each look it fetches the cache line of *place, as [Prefetch] does. It returns nothing: the
// caller loads *p, which orders what it reads next. p must be aligned to 8 bytes.
//
// The loop is one function in assembly because each look would cost two calls otherwise, and a
// change is seen later by half a look.
//
//go:noescape
func Poll(p *uint64, old uint64, place *byte, looks uint32)
