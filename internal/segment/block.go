package segment

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Blocks are pieces of the heap without a name. One belongs to a process until
// it is freed; when the process dies, whoever next needs space frees it.

// Alloc returns a block of n bytes, all zero, and where it is.
//
// Errors: a [*mapping.NoSpaceError], [lock.ErrClosed], [ErrCorrupt].
func (s *Segment) Alloc(n int) (off uint64, mem []byte, err error) {
	if n < 0 {
		return 0, nil, fmt.Errorf("%s: block of %d bytes: must not be negative", s.path, n)
	}
	err = s.locked(func() error {
		start, err := s.alloc(uint64(n), ownerTagOf(s.Me()))
		off = start + blockHeaderBytes
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	crashpoint.Here("block.allocated")
	return off, s.mem[off : off+uint64(n) : off+uint64(n)], nil
}

// Free gives a block of this process back. Off is what Alloc returned.
func (s *Segment) Free(off uint64) error {
	if off < blockHeaderBytes {
		return s.corrupt("a block to free is not in the heap")
	}
	return s.locked(func() error { return s.free(off-blockHeaderBytes, ownerTagOf(s.Me())) })
}
