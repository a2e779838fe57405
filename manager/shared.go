package manager

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A SharedType is a type of objects in shared memory that a manager makes, and gives to its clients
// by name: each client gets a handle, and then uses the object without the manager. It is made by
// [Shared]. The clients must be on the machine of the manager.
type SharedType[H, A any] struct {
	objects *Type[*shared[H], A]
	handle  *Call[*shared[H], struct{}, H]
}

// shared is an object of which the manager has a handle.
type shared[H any] struct{ handle H }

// Shared makes H, the type of handles of packages shm, shmsync and queue, one that managers give to
// their clients. open makes an object, or finds one, in the manager's process.
//
// It panics when the name is taken, or when an H cannot travel.
func Shared[H, A any](name string, open func(ctx context.Context, arg A) (H, error)) *SharedType[H, A] {
	t := Define(name, func(ctx context.Context, arg A) (*shared[H], error) {
		h, err := open(ctx, arg)
		if err != nil {
			return nil, err
		}
		return &shared[H]{h}, nil
	})
	get := Method(t, "handle", func(s *shared[H], _ context.Context, _ struct{}) (H, error) { return s.handle, nil })
	return &SharedType[H, A]{objects: t, handle: get}
}

// Named returns a handle of the shared object of that name. The first client has the manager make
// it, with arg. The handle is the caller's own. The object lives as long as the name.
//
// Errors: those of [Type.Named], and of UnmarshalBinary of H.
func (t *SharedType[H, A]) Named(ctx context.Context, m *Manager, name string, arg A) (h H, err error) {
	ref, err := t.objects.Named(ctx, m, name, arg)
	if err != nil {
		return h, err
	}
	defer ref.Close()
	return t.handle.Call(ctx, ref, struct{}{})
}

// inDefault makes an object without a name in the default segment of the manager's process.
func inDefault[H any](open func(*shm.Segment) (H, error)) (h H, err error) {
	seg, err := shm.Default()
	if err != nil {
		return h, fmt.Errorf("manager: %w", err)
	}
	return open(seg)
}

// The locks, and what processes wait for each other with, that a manager gives out by name. The
// argument of Semaphores is how many units there are, that of Barriers how many parties.
var (
	Mutexes = Shared("shmkit.Mutex", func(context.Context, struct{}) (*shmsync.Mutex, error) {
		return inDefault(func(seg *shm.Segment) (*shmsync.Mutex, error) {
			return shmsync.NewMutex(seg, "", shmsync.MutexOptions{})
		})
	})
	RecursiveMutexes = Shared("shmkit.RecursiveMutex", func(context.Context, struct{}) (*shmsync.RecursiveMutex, error) {
		return inDefault(func(seg *shm.Segment) (*shmsync.RecursiveMutex, error) {
			return shmsync.NewRecursiveMutex(seg, "", shmsync.MutexOptions{})
		})
	})
	Events = Shared("shmkit.Event", func(context.Context, struct{}) (*shmsync.Event, error) {
		return inDefault(func(seg *shm.Segment) (*shmsync.Event, error) {
			return shmsync.NewEvent(seg, "", shmsync.EventOptions{})
		})
	})
	Semaphores = Shared("shmkit.Semaphore", func(_ context.Context, units int64) (*shmsync.Semaphore, error) {
		return inDefault(func(seg *shm.Segment) (*shmsync.Semaphore, error) {
			return shmsync.NewSemaphore(seg, "", units, shmsync.SemaphoreOptions{})
		})
	})
	Barriers = Shared("shmkit.Barrier", func(_ context.Context, parties int) (*shmsync.Barrier, error) {
		return inDefault(func(seg *shm.Segment) (*shmsync.Barrier, error) {
			return shmsync.NewBarrier(seg, "", parties, shmsync.BarrierOptions{})
		})
	})
)

// QueueOf is a [SharedType] of queues of T, of fixed size. The argument is the capacity. It panics
// when the name is taken.
func QueueOf[T any](name string) *SharedType[*queue.Queue[T], int] {
	return Shared(name, func(_ context.Context, capacity int) (*queue.Queue[T], error) {
		return inDefault(func(seg *shm.Segment) (*queue.Queue[T], error) {
			return queue.NewQueue[T](seg, "", capacity, queue.Options{})
		})
	})
}

// ValueOf is a [SharedType] of values of T, of fixed size. The argument is the first value. It
// panics when the name is taken.
func ValueOf[T any](name string) *SharedType[*shm.Value[T], T] {
	return Shared(name, func(_ context.Context, first T) (*shm.Value[T], error) {
		return inDefault(func(seg *shm.Segment) (*shm.Value[T], error) { return shm.NewValue(seg, "", first) })
	})
}
