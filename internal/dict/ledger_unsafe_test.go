package dict

import (
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/segment"
)

// A ledger is words in shared memory in which processes of a test note what they have done.
func ledgerIn(s *segment.Segment, n int) []atomic.Uint64 {
	o, _, err := s.New(segment.Spec{Name: "ledger", Kind: segment.KindRawArray, Size: int64(n) * 8})
	must(err)
	kept = append(kept, o)
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(o.Payload))), n)
}

var kept []*segment.Object // reachable until the process ends
