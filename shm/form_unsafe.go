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

// bytesOfSlice views the bytes of elements of fixed size.
func bytesOfSlice[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), uintptr(len(s))*unsafe.Sizeof(*new(T)))
}

// sliceOf views bytes, which are those of whole elements, as these.
func sliceOf[T any](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))/unsafe.Sizeof(*new(T)))
}

// setWord makes *v, of at most 8 bytes, the first bytes of a little-endian word.
func setWord[T any](v *T, w uint64) {
	if unsafe.Sizeof(*v) == 8 {
		*(*[8]byte)(unsafe.Pointer(v)) = *(*[8]byte)(unsafe.Pointer(&w))
		return
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)), unsafe.Slice((*byte)(unsafe.Pointer(&w)), 8))
}

// wordIn is *v, of at most 8 bytes, as a little-endian word.
func wordIn[T any](v *T) (w uint64) {
	if unsafe.Sizeof(*v) == 8 {
		*(*[8]byte)(unsafe.Pointer(&w)) = *(*[8]byte)(unsafe.Pointer(v))
		return w
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&w)), 8), unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
	return w
}
