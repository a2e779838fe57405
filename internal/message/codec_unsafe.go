package message

import "unsafe"

// bytesOf views the n bytes of v. Its type must not hold pointers.
func bytesOf[T any](v *T, n int) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), n) }

// bytesOfSlice views the elements of v, which is a slice of elements of that size without pointers.
func bytesOfSlice[T any](v *T, size int) []byte {
	h := (*struct {
		data     unsafe.Pointer
		len, cap int
	})(unsafe.Pointer(v))
	return unsafe.Slice((*byte)(h.data), h.len*size)
}
