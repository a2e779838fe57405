package ring

import (
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
)

// StoreRelease stores v after everything that was read and written before, without a full fence.
func StoreRelease(a *atomic.Uint64, v uint64) { cpu.StoreRelease64((*uint64)(unsafe.Pointer(a)), v) }
