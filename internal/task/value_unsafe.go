package task

import (
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
)

// overlap says that two slices have bytes in common.
func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	x, y := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return x < y+uintptr(len(b)) && y < x+uintptr(len(a))
}

// bytesOf views the n bytes of v. Its type must not hold pointers.
func bytesOf[T any](v *T, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), n)
}

// A sliceHeader is what a slice of any type is in memory.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

// BytesOfSlice views the elements of v, which is a slice of elements of that size without pointers.
func BytesOfSlice[T any](v *T, size int) []byte {
	h := (*sliceHeader)(unsafe.Pointer(v))
	return unsafe.Slice((*byte)(h.data), h.len*size)
}

// aligned says that b begins where elements of any type may.
func aligned(b []byte) bool { return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%8 == 0 }

// elementsIn views b, which is aligned and holds n of them, as elements of a type without pointers.
func elementsIn[T any](b []byte, n int) []T {
	if len(b) == 0 {
		return make([]T, n) // they have no bytes
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// alignedBytes returns n bytes where elements of any type may begin, in b if that has room.
func alignedBytes(b []byte, n int) []byte {
	if cap(b) < n || n == 0 {
		words := make([]uint64, (n+7)/8)
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))[:n]
	}
	return b[:n]
}

// storeAt notes which argument of a chunk runs: a store in order, and not a locked instruction for
// each.
func storeAt(at *atomic.Uint32, i uint32) { cpu.StoreRelease32((*uint32)(unsafe.Pointer(at)), i) }

// nothing is what empty slices view.
var nothing [wordBytes]byte

// setSlice makes v, which is a slice of elements of that size without pointers, a view of b, which
// is aligned for them; nil if b is.
func setSlice[T any](v *T, b []byte, size int) {
	if b == nil {
		return
	}
	if len(b) == 0 {
		b = nothing[:0] // not an address in shared memory
	}
	*(*sliceHeader)(unsafe.Pointer(v)) = sliceHeader{data: unsafe.Pointer(unsafe.SliceData(b)), len: len(b) / size, cap: len(b) / size}
}
