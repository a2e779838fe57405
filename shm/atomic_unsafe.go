package shm

import (
	"unsafe"

	"github.com/shmkit/shmkit/internal/segment"
)

// atomicBytes is the payload of every atomic: the widest of them, on a cache line of its own.
const atomicBytes = 64

func atomicSpec(name, format string, init func([]byte)) segment.Spec {
	return segment.Spec{Name: name, Kind: segment.KindAtomic, Type: format, Size: atomicBytes, Init: init}
}

// atomicIn views an object's payload as an atomic of type A.
func atomicIn[A any](o *segment.Object) (*A, error) {
	if uintptr(len(o.Payload)) < unsafe.Sizeof(*new(A)) {
		return nil, damaged(o)
	}
	return at[A](o.Payload), nil
}
