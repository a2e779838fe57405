//go:build linux

package shm_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

type integer[T any] interface {
	Load() T
	Store(T)
	Swap(T) T
	CompareAndSwap(old, new T) bool
	Add(T) T
	And(T) T
	Or(T) T
}

// The methods mean what those of sync/atomic mean, also where numbers overflow.
func TestAtomicsAreAsInSyncAtomic(t *testing.T) {
	seg := newSegment(t, small)
	compare(t, need(shm.NewInt32(seg, "i32", 0)), need(shm.OpenInt32(seg, "i32")), new(atomic.Int32), math.MinInt32, math.MaxInt32, -1, 1)
	compare(t, need(shm.NewInt64(seg, "i64", 0)), need(shm.OpenInt64(seg, "i64")), new(atomic.Int64), math.MinInt64, math.MaxInt64, -1, 1)
	compare(t, need(shm.NewUint32(seg, "u32", 0)), need(shm.OpenUint32(seg, "u32")), new(atomic.Uint32), 0, math.MaxUint32, 1<<31, 1)
	compare(t, need(shm.NewUint64(seg, "u64", 0)), need(shm.OpenUint64(seg, "u64")), new(atomic.Uint64), 0, math.MaxUint64, 1<<63, 1)
}

func compare[T comparable](t *testing.T, one, two, model integer[T], numbers ...T) {
	t.Helper()
	pick := func() T { return numbers[rand.IntN(len(numbers))] }
	for range 2000 {
		n, m := pick(), pick()
		steps := []func(integer[T]) any{
			func(a integer[T]) any { return a.Load() },
			func(a integer[T]) any { a.Store(n); return nil },
			func(a integer[T]) any { return a.Swap(n) },
			func(a integer[T]) any { return a.CompareAndSwap(n, m) },
			func(a integer[T]) any { return a.Add(n) },
			func(a integer[T]) any { return a.And(n) },
			func(a integer[T]) any { return a.Or(n) },
		}
		i := rand.IntN(len(steps))
		if got, want := steps[i](one), steps[i](model); got != want {
			t.Fatalf("%T: step %d with %v, %v: %v, want %v", one, i, n, m, got, want)
		}
		one, two = two, one // two handles of one object
	}
}

func TestBool(t *testing.T) {
	seg := newSegment(t, small)
	b := need(shm.NewBool(seg, "b", true))
	if !b.Load() || !b.Swap(false) || b.Load() || b.CompareAndSwap(true, true) || !b.CompareAndSwap(false, true) || !b.Load() {
		t.Error("a step went wrong")
	}
	if again := need(shm.NewBool(seg, "b", false)); !again.Load() {
		t.Error("an initial value replaced one that was there")
	}
	b.Store(false)
	if b.Load() {
		t.Error("stored false, read true")
	}
}

func TestFloat64(t *testing.T) {
	seg := newSegment(t, small)
	f := need(shm.NewFloat64(seg, "f", math.Copysign(0, -1)))
	if f.CompareAndSwap(0, 1) {
		t.Error("0 passed for −0")
	}
	if !f.CompareAndSwap(math.Copysign(0, -1), math.NaN()) || !f.CompareAndSwap(math.NaN(), 2) {
		t.Error("−0 or a NaN was not found")
	}
	if old := f.Swap(math.Inf(1)); old != 2 {
		t.Error(old)
	}
	if sum := f.Add(math.Inf(-1)); !math.IsNaN(sum) || !math.IsNaN(f.Load()) || !math.IsNaN(f.Add(1)) {
		t.Error(sum)
	}
	f.Store(0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			other := need(shm.OpenFloat64(seg, "f"))
			for range 5000 {
				other.Add(0.5)
			}
		})
	}
	wg.Wait()
	if sum := f.Load(); sum != 10000 {
		t.Errorf("20000 halves are %v", sum)
	}
}

// adder: SEGMENT. It adds to all that can be added to, and ends without closing.
var roleAdder = proctest.Register("adder", func(args []string) {
	seg := need(shm.Open(args[0]))
	c, f, n := need(shm.OpenCounter(seg, "c")), need(shm.OpenFloat64(seg, "f")), need(shm.OpenInt64(seg, "n"))
	v, a := need(shm.OpenValue[int64](seg, "v")), need(shm.OpenArray[int64](seg, "a"))
	proctest.Say("ready")
	proctest.Hear()
	for i := range adds {
		c.Add(1)
		f.Add(1)
		n.Add(1)
		must(v.Update(background, func(v *int64) error { *v++; return nil }))
		must(a.UpdateRange(background, i%2, i%2+1, func(e []int64) error { e[0]++; return nil }))
	}
	proctest.Say("done")
	proctest.Hear()
})

const adds = 2000

// What processes add at once is all there, and stays when they are killed.
func TestAddingFromManyProcesses(t *testing.T) {
	const processes = 4
	seg := newSegment(t, small)
	c, f, n := need(shm.NewCounter(seg, "c")), need(shm.NewFloat64(seg, "f", 0)), need(shm.NewInt64(seg, "n", 0))
	v, a := need(shm.NewValue[int64](seg, "v", 0)), need(shm.NewArray[int64](seg, "a", 2))
	var children []*proctest.Child
	for range processes {
		child := proctest.Start(t, roleAdder, seg.Path())
		child.Expect("ready")
		children = append(children, child)
	}
	for _, child := range children {
		child.Send("go")
	}
	for _, child := range children {
		child.Expect("done")
		child.Kill()
	}
	const want = processes * adds
	value := need(v.Load())
	sum := need(a.At(background, 0)) + need(a.At(background, 1))
	if c.Sum() != want || f.Load() != want || n.Load() != want || value != want || sum != want {
		t.Errorf("Counter %d, Float64 %v, Int64 %d, Value %d, Array %d, want %d", c.Sum(), f.Load(), n.Load(), value, sum, want)
	}
}
