package shm

import (
	"unsafe"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
)

// atomicBytes is the payload of every atomic: the widest of them, on a cache line of its own.
const atomicBytes = 64

func atomicSpec(name, format string, init func([]byte)) segment.Spec {
	return segment.Spec{Name: name, Kind: segment.KindAtomic, Type: format, Size: atomicBytes, Init: init}
}

// An atomicObject is what all atomics have.
type atomicObject struct {
	object
	watched *segment.Watch // nil: this process may write
	order   *race.Shadow
}

func (a *atomicObject) watch(o *segment.Object) {
	a.o, a.watched, a.order = o, o.Watched(), orderOf(o)
}

// gone reports, after a load, that this process only reads and the object was removed.
func (a *atomicObject) gone() bool { return a.watched != nil && a.watched.Vanished() }

// beginChange panics when this process only reads.
func (a *atomicObject) beginChange() {
	if a.watched != nil {
		panic(a.watched)
	}
	a.order.ReleaseMerge()
}

// atomicIn views an object's payload as an atomic of type A.
func atomicIn[A any](o *segment.Object) (*A, error) {
	if uintptr(len(o.Payload)) < unsafe.Sizeof(*new(A)) {
		return nil, damaged(o)
	}
	return at[A](o.Payload), nil
}
