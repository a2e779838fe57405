//go:build (amd64 && race) || arm64

package cpu

// StoreRelease32 sets *p to v. Every load and store before it is visible to a thread that sees v
// with an atomic load. It does not order later loads: to look again after announcing something, use
// sync/atomic or a membarrier. p must be aligned to 4 bytes.
//
//go:noescape
func StoreRelease32(p *uint32, v uint32)

// StoreRelease64 is StoreRelease32 for 64 bits. p must be aligned to 8 bytes.
//
//go:noescape
func StoreRelease64(p *uint64, v uint64)
