//go:build !race

package cpu

// StoreRelease32 sets *p to v. Every load and store before it is visible to a thread that sees v
// with an atomic load. It does not order later loads: to look again after announcing something, use
// sync/atomic or a membarrier. p must be aligned to 4 bytes.
//
// This processor makes stores visible in program order and after all earlier loads, so that a plain
// store is a release, and the compiler does not move the store either. So the function is ordinary
// code, which can be inlined. A function in assembly cannot, and its call costs as much as the rest
// of an unlock. Builds with the race detector, which would take the store for a race, use assembly.
func StoreRelease32(p *uint32, v uint32) { *p = v }

// StoreRelease64 is StoreRelease32 for 64 bits. p must be aligned to 8 bytes.
func StoreRelease64(p *uint64, v uint64) { *p = v }
