package elem

import "unsafe"

// Mended returns a copy of v in which each bool is 0 or 1. The type of v must have bools.
//
//go:noinline
func Mended[T any](b *Bools, v T) T {
	b.Mend(unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v)))
	return v
}

// MendAll mends values in place. In shared memory that does not last, because another process may
// write there again.
func MendAll[T any](b *Bools, vs []T) {
	if b != nil && len(vs) > 0 {
		b.Mend(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(vs))), uintptr(len(vs))*unsafe.Sizeof(vs[0])))
	}
}

// MendAt is [MendAll] for one value.
func MendAt[T any](b *Bools, v *T) {
	if b != nil {
		b.Mend(unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
	}
}
