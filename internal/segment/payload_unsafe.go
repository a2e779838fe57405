package segment

import (
	"sync/atomic"
	"unsafe"
)

// wordIn views the first 8 bytes of mem, a part of a payload, as a word.
func wordIn(mem []byte) *atomic.Uint64 {
	_ = mem[7]
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(mem)))
}
