package cpu

// PrefetchWrite has the processor fetch the cache lines of b, for writing, while it goes on. A
// write to lines that another processor has read waits for each of them in turn otherwise. What is
// in b does not change.
//
//go:noescape
func PrefetchWrite(b []byte)

// Prefetch has the processor fetch the cache line of *p, for reading, while it goes on.
//
//go:noescape
func Prefetch(p *byte)
