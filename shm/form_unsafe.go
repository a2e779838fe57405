package shm

import "unsafe"

// bytesAt views the bytes of *v: of a string or []byte, what it leads to.
func bytesAt[T any](v *T, kind formKind) []byte {
	switch kind {
	case formString:
		s := *(*string)(unsafe.Pointer(v))
		return unsafe.Slice(unsafe.StringData(s), len(s))
	case formBytes:
		return *(*[]byte)(unsafe.Pointer(v))
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// setBytes makes *v, a string or []byte, the bytes of b, which are its own from then on.
func setBytes[T any](v *T, kind formKind, b []byte) {
	if kind == formString {
		*(*string)(unsafe.Pointer(v)) = unsafe.String(unsafe.SliceData(b), len(b))
		return
	}
	if b == nil {
		b = []byte{}
	}
	*(*[]byte)(unsafe.Pointer(v)) = b
}
