//go:build linux

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// handles is one handle of each kind that a task can get.
type handles struct {
	Value    *shm.Value[int64]
	RawValue *shm.RawValue[int64]
	Array    *shm.Array[int64]
	RawArray *shm.RawArray[int64]
	Int64    *shm.Int64
	Float64  *shm.Float64
	Bool     *shm.Bool
	Counter  *shm.Counter

	Mutex     *shmsync.Mutex
	RWMutex   *shmsync.RWMutex
	Recursive *shmsync.RecursiveMutex
	Semaphore *shmsync.Semaphore
	Cond      *shmsync.Cond
	Event     *shmsync.Event
	Once      *shmsync.Once
	WaitGroup *shmsync.WaitGroup

	Queue   *queue.Queue[int64]
	Bytes   *queue.Bytes
	Objects *queue.Objects[string]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newHandles(seg *shm.Segment) *handles {
	return &handles{
		Value: must(shm.NewValue[int64](seg, "Value", 0)), RawValue: must(shm.NewRawValue[int64](seg, "RawValue", 0)),
		Array: must(shm.NewArray[int64](seg, "Array", 10000)), RawArray: must(shm.NewRawArray[int64](seg, "RawArray", 10000)),
		Int64: must(shm.NewInt64(seg, "Int64", 0)), Float64: must(shm.NewFloat64(seg, "Float64", 0)),
		Bool: must(shm.NewBool(seg, "Bool", false)), Counter: must(shm.NewCounter(seg, "Counter")),
		Mutex: must(shmsync.NewMutex(seg, "Mutex", shmsync.MutexOptions{})), RWMutex: must(shmsync.NewRWMutex(seg, "RWMutex", shmsync.RWMutexOptions{})),
		Recursive: must(shmsync.NewRecursiveMutex(seg, "Recursive", shmsync.MutexOptions{})),
		Semaphore: must(shmsync.NewSemaphore(seg, "Semaphore", 1, shmsync.SemaphoreOptions{})),
		Cond:      must(shmsync.NewCond(seg, "Cond", shmsync.CondOptions{})), Event: must(shmsync.NewEvent(seg, "Event", shmsync.EventOptions{})),
		Once: must(shmsync.NewOnce(seg, "Once", shmsync.OnceOptions{})), WaitGroup: must(shmsync.NewWaitGroup(seg, "WaitGroup", shmsync.WaitGroupOptions{})),
		Queue: must(queue.NewQueue[int64](seg, "Queue", 8, queue.Options{})), Bytes: must(queue.NewBytes(seg, "Bytes", 100, queue.Options{})),
		Objects: must(queue.NewObjects[string](seg, "Objects", 100, queue.Options{})),
	}
}

// lent are the handles that a task of this worker has left behind; kept is one that it has
// retained.
var (
	lent     *handles
	retained handles
)

var borrow = pool.Define("borrow", func(ctx context.Context, h *handles) (int64, error) {
	lent = h
	h.Array.Slice()[9999]++
	return h.Int64.Add(1), h.Value.Update(ctx, func(v *int64) error { *v++; return nil })
})

// keepTwo keeps two of its handles.
var keepTwo = pool.Define("keep two", func(ctx context.Context, h *handles) (int64, error) {
	lent, retained = h, handles{Value: h.Value, Array: h.Array}
	return 0, pool.Keep(ctx, h.Value, h.Array)
})

// useLent says what is wrong with handles that are closed, and counts on with those that are not
// touched any more.
var useLent = pool.Define("use lent", func(ctx context.Context, _ int64) ([]string, error) {
	var wrong []string
	closed := func(what string, err error) {
		if !errors.Is(err, shm.ErrClosed) {
			wrong = append(wrong, fmt.Sprintf("%s: %v", what, err))
		}
	}
	h := lent
	if retained.Value == nil {
		_, err := h.Value.Load()
		closed("Value.Load", err)
		closed("Value.Store", h.Value.Store(ctx, 9))
		closed("Array.Set", h.Array.Set(ctx, 9999, 9))
	}
	closed("Mutex.Lock", h.Mutex.Lock(ctx))
	closed("RWMutex.RLock", h.RWMutex.RLock(ctx))
	closed("Recursive.Lock", h.Recursive.Lock(ctx, shmsync.NewHolder()))
	closed("Semaphore.Acquire", h.Semaphore.Acquire(ctx, 1))
	closed("Event.Wait", h.Event.Wait(ctx))
	closed("Once.Do", h.Once.Do(ctx, func() error { return nil }))
	closed("Queue.Put", h.Queue.Put(ctx, 9))
	closed("Bytes.Put", h.Bytes.Put(ctx, []byte{9}))
	closed("Objects.Put", h.Objects.Put(ctx, "9"))
	_, err := h.Objects.MarshalBinary()
	closed("MarshalBinary", err)
	h.RawValue.Store(9)
	h.RawArray.Set(9999, 9)
	h.RawArray.Slice()[1] = 9
	h.Int64.Store(9)
	h.Float64.Store(9)
	h.Bool.Store(true)
	h.Counter.Add(9)
	return wrong, nil
})

// attached is how many mappings and descriptors of segments without a name the worker has.
var attached = pool.Define("attached", func(context.Context, int64) (n int, err error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return 0, err
	}
	n = strings.Count(string(maps), "/memfd:shmkit (deleted)")
	fds, err := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.HasPrefix(to, "/memfd:shmkit ") {
			n++
		}
	}
	return n, err
})

// Handles in a task's argument are closed at its end: objects, and the segment with its descriptor
// and mapping. A later use is ErrClosed, or reaches no other process.
func TestHandlesOfATaskAreLetGo(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	before := must(pool.Apply(t.Context(), p, attached, 0))
	seg := must(shm.Anonymous(shm.Options{}))
	defer seg.Close()
	h := newHandles(seg)
	if n := must(pool.Apply(t.Context(), p, borrow, h)); n != 1 {
		t.Errorf("the task saw %d", n)
	}
	if n := must(pool.Apply(t.Context(), p, attached, 0)); n != before {
		t.Errorf("after the task %d mappings and descriptors are left, before it %d", n, before)
	}
	for _, wrong := range must(pool.Apply(t.Context(), p, useLent, 0)) {
		t.Error(wrong)
	}
	v, _ := h.Value.Load()
	if v != 1 || h.Int64.Load() != 1 || h.Float64.Load() != 0 || h.Bool.Load() || h.Counter.Sum() != 0 || h.RawValue.Load() != 0 ||
		h.RawArray.At(9999) != 0 || h.Array.Slice()[9999] != 1 || h.Queue.Len() != 0 {
		t.Error("a late use was seen by others")
	}
	if err := seg.Check(); err != nil {
		t.Error(err)
	}
}

var useKept = pool.Define("use kept", func(ctx context.Context, last bool) (int64, error) {
	err := retained.Value.Update(ctx, func(v *int64) error { *v++; return nil })
	if err == nil && last {
		err = errors.Join(retained.Value.Detach(), retained.Array.Detach(), retained.Array.Detach())
	}
	return int64(retained.Array.Len()), err
})

// What a task keeps is its worker's, until that detaches it.
func TestKeptHandles(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	before := must(pool.Apply(t.Context(), p, attached, 0))
	seg := must(shm.Anonymous(shm.Options{}))
	defer seg.Close()
	h := newHandles(seg)
	must(pool.Apply(t.Context(), p, keepTwo, h))
	for _, wrong := range must(pool.Apply(t.Context(), p, useLent, 0)) {
		t.Error(wrong)
	}
	for i := range 3 {
		if n := must(pool.Apply(t.Context(), p, useKept, i == 2)); n != 10000 {
			t.Errorf("the kept array has %d elements", n)
		}
	}
	if v, _ := h.Value.Load(); v != 3 {
		t.Errorf("the kept value was counted up to %d", v)
	}
	if n := must(pool.Apply(t.Context(), p, attached, 0)); n != before {
		t.Errorf("after Detach %d mappings and descriptors are left, before it %d", n, before)
	}
	if _, err := pool.Apply(t.Context(), p, useKept, false); !errors.Is(err, shm.ErrClosed) {
		t.Errorf("use of what was detached: %v", err)
	}
	if h.RawArray.At(9999) != 0 || h.Int64.Load() != 0 {
		t.Error("a late use was seen by others")
	}
}

var fillArray = pool.Define("fill array", func(ctx context.Context, a *shm.RawArray[byte]) (int, error) {
	a.Set(a.Len()-1, 1)
	return a.Len(), nil
})

// A task gets an array of 1 MiB with each call, which is removed after that: the segment is never
// full, also when the worker is attached for the sake of something else.
func TestArrayWithEachCall(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		p := newPool(t, pool.Options{Workers: 2})
		seg := must(shm.Anonymous(shm.Options{Size: 16 << 20}))
		if keeps {
			h := newHandles(seg)
			for range 2 {
				must(pool.Apply(t.Context(), p, keepTwo, h))
			}
		}
		for i := range 100 {
			a, err := shm.NewRawArray[byte](seg, "a", 1<<20)
			if err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
			if n := must(pool.Apply(t.Context(), p, fillArray, a)); n != 1<<20 || a.At(n-1) != 1 {
				t.Errorf("call %d: %d", i, n)
			}
			if err := seg.RemoveObject("a"); err != nil {
				t.Fatal(err)
			}
			if err := a.Detach(); err != nil {
				t.Fatal(err)
			}
		}
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	}
}
