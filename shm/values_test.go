//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// peer: SEGMENT. It finds the first contents everywhere and puts the second.
var rolePeer = proctest.Register("peer", func(args []string) {
	seg := need(shm.Open(args[0]))
	for _, s := range subjects() {
		err := s.get(seg, 0)
		if err == nil {
			err = s.put(seg, 1)
		}
		if err != nil {
			panic(fmt.Sprintf("%s: %v", s.name, err))
		}
	}
	must(seg.Close())
})

// A46: every width and shape goes there and back, in this process and to another one.
func TestRoundTrip(t *testing.T) {
	seg := newSegment(t, shm.Options{Size: 4 << 20, Objects: 128, Processes: 8})
	for _, s := range subjects() {
		for _, n := range []int{1, 0} {
			if err := errors.Join(s.put(seg, n), s.get(seg, n)); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		}
	}
	proctest.Start(t, rolePeer, seg.Path()).WaitOK()
	for _, s := range subjects() {
		if err := s.get(seg, 1); err != nil {
			t.Errorf("%s after the other process: %v", s.name, err)
		}
	}
	if n := len(maps.Collect(seg.Objects())); n != len(subjects()) {
		t.Errorf("there are %d objects of %d", n, len(subjects()))
	}
}

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

// A46: what was in memory before is not to be seen in a new object.
func TestReusedMemoryIsZero(t *testing.T) {
	seg := newSegment(t, small)
	for round := range 30 { // more than there is room for at once
		func() {
			a := need(shm.NewArray[[1000]uint8](seg, "a", 60))
			wantOK(t, a.Update(background, func(e [][1000]uint8) error {
				for i := range e {
					if e[i] != [1000]uint8{} {
						t.Fatalf("round %d: element %d is not zero", round, i)
					}
					for j := range e[i] {
						e[i][j] = 0xff
					}
				}
				return nil
			}))
			r := need(shm.NewRawArray[uint64](seg, "r", 1000))
			for i, e := range r.All() {
				if e != 0 {
					t.Fatalf("round %d: raw element %d is %x", round, i, e)
				}
				r.Set(i, math.MaxUint64)
			}
			c := need(shm.NewCounter(seg, "c"))
			if c.Sum() != 0 {
				t.Fatalf("round %d: a new Counter has %d", round, c.Sum())
			}
			c.Add(-1)
		}()
		for _, name := range []string{"a", "r", "c"} {
			wantOK(t, seg.RemoveObject(name))
		}
	}
}

func TestLengthsAreExact(t *testing.T) {
	seg := newSegment(t, small)
	for _, n := range []int{0, 1, 3, 15, 16, 17, 1000} {
		name := fmt.Sprint(n)
		if a := need(shm.NewArray[int32](seg, "a"+name, n)); a.Len() != n || len(a.Slice()) != n || cap(a.Slice()) != n {
			t.Errorf("Array of %d: %d, %d, %d", n, a.Len(), len(a.Slice()), cap(a.Slice()))
		}
		if a := need(shm.OpenArray[int32](seg, "a"+name)); a.Len() != n {
			t.Errorf("opened Array of %d: %d", n, a.Len())
		}
		if a := need(shm.NewRawArray[int32](seg, "r"+name, n)); a.Len() != n || len(a.Slice()) != n {
			t.Errorf("RawArray of %d: %d", n, a.Len())
		}
		for _, other := range []int{0, 1, 2, 14, 15, 16, 17, 18, 999, 1000, 1001} {
			if other == n {
				continue
			}
			_, err := shm.NewArray[int32](seg, "a"+name, other)
			wantMismatch(t, err, fmt.Sprintf("it has %d elements, not %d", n, other))
			_, err = shm.NewRawArray[int32](seg, "r"+name, other)
			wantMismatch(t, err, fmt.Sprintf("it has %d elements, not %d", n, other))
		}
	}
}

// An Array without elements is good for its lock.
func TestEmptyArray(t *testing.T) {
	seg := newSegment(t, small)
	a := need(shm.NewArray[odd](seg, "a", 0))
	ran := 0
	f := func(e []odd) error { ran += 1 + len(e); return nil }
	wantOK(t, errors.Join(a.Update(background, f), a.UpdateRange(background, 0, 0, f), a.Read(background, f)))
	for range a.All() {
		ran = -100
	}
	if ran != 3 {
		t.Error(ran)
	}
	if err := a.Set(background, 0, odd{}); err == nil {
		t.Error("set an element that is not there")
	}
	if _, err := a.At(background, 0); err == nil {
		t.Error("read an element that is not there")
	}
}

var errMine = errors.New("mine")

// ends is every way that the function of an Update can end without success.
var ends = map[string]func() error{
	"error":  func() error { return errMine },
	"panic":  func() error { panic(errMine) },
	"Goexit": func() error { runtime.Goexit(); return nil },
}

// An Update that does not succeed changes nothing, and frees the lock.
func TestUpdateThatFails(t *testing.T) {
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			seg := newSegment(t, small)
			v, a := need(shm.NewValue(seg, "v", [3]int32{1, 2, 3})), need(shm.NewArray[int32](seg, "a", 3))
			wantOK(t, a.Set(background, 1, 5))
			updates := map[string]func() error{
				"Value.Update": func() error {
					return v.Update(background, func(v *[3]int32) error { *v = [3]int32{9, 9, 9}; return end() })
				},
				"Array.Update": func() error {
					return a.Update(background, func(e []int32) error { copy(e, []int32{9, 9, 9}); return end() })
				},
				"Array.UpdateRange": func() error {
					return a.UpdateRange(background, 1, 2, func(e []int32) error { e[0] = 9; return end() })
				},
				"Array.Read": func() error { return a.Read(background, func([]int32) error { return end() }) },
			}
			for name, update := range updates {
				if err := ending(update); how == "error" && err != errMine || how != "error" && err == nil {
					t.Errorf("%s: %v", name, err)
				}
				if got := need(v.Load()); got != [3]int32{1, 2, 3} {
					t.Errorf("%s changed the Value: %v", name, got)
				}
				wantOK(t, within(soon, func(ctx context.Context) error {
					return a.Read(ctx, func(e []int32) error {
						if [3]int32(e) != [3]int32{0, 5, 0} {
							t.Errorf("%s changed the Array: %v", name, e)
						}
						return nil
					})
				}))
				wantOK(t, within(soon, func(ctx context.Context) error { return v.Store(ctx, [3]int32{1, 2, 3}) }))
			}
		})
	}
}

var errEnded = errors.New("the goroutine ended")

// ending runs f on a goroutine of its own, which f may end.
func ending(f func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		err = errEnded
		err = f()
	}()
	<-done
	return err
}

func within(d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return f(ctx)
}

func TestUpdateRangeBounds(t *testing.T) {
	seg := newSegment(t, small)
	a := need(shm.NewArray[int64](seg, "an array", 4))
	wantOK(t, a.Update(background, func(e []int64) error { copy(e, []int64{10, 20, 30, 40}); return nil }))
	for low := -2; low <= 6; low++ {
		for high := -2; high <= 6; high++ {
			ran := false
			err := a.UpdateRange(background, low, high, func(e []int64) error {
				ran = true
				if len(e) != high-low || cap(e) != len(e) || len(e) > 0 && e[0] != int64(10*(low+1)) {
					t.Errorf("[%d, %d): %v of %d", low, high, e, cap(e))
				}
				return nil
			})
			if in := 0 <= low && low <= high && high <= 4; ran != in || (err == nil) != in {
				t.Errorf("[%d, %d): ran %v, %v", low, high, ran, err)
			}
			if err != nil && !strings.Contains(err.Error(), "an array") {
				t.Error(err)
			}
		}
	}
	for _, i := range []int{-1, 4, math.MinInt, math.MaxInt} {
		if _, err := a.At(background, i); err == nil {
			t.Errorf("At %d", i)
		}
		if err := a.Set(background, i, 1); err == nil {
			t.Errorf("Set %d", i)
		}
	}
}

// While another process holds the lock writers wait as long as their context lets them; readers of a Value do not wait.
func TestContextsEndWaiting(t *testing.T) {
	seg := newSegment(t, small)
	v, a, child := held(t, seg)
	waits := map[string]func(context.Context) error{
		"Value.Store":  func(ctx context.Context) error { return v.Store(ctx, 1) },
		"Value.Update": func(ctx context.Context) error { return v.Update(ctx, func(*int64) error { return errMine }) },
		"Array.At":     func(ctx context.Context) error { _, err := a.At(ctx, 0); return err },
		"Array.Set":    func(ctx context.Context) error { return a.Set(ctx, 0, 1) },
		"Array.Update": func(ctx context.Context) error { return a.Update(ctx, func([]int64) error { return errMine }) },
		"Array.Read":   func(ctx context.Context) error { return a.Read(ctx, func([]int64) error { return errMine }) },
	}
	cancelled, cancel := context.WithCancelCause(background)
	cancel(errMine)
	for name, wait := range waits {
		if err := wait(cancelled); !errors.Is(err, context.Canceled) && !errors.Is(err, errMine) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
		if err := within(20*time.Millisecond, wait); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s with a deadline: %v", name, err)
		}
		ctx, cancel := context.WithCancel(background)
		var err error
		returned := proctest.MustBlock(t, func() { err = wait(ctx) })
		cancel()
		<-returned
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s cancelled: %v", name, err)
		}
	}
	if got := need(v.Load()); got != 7 {
		t.Errorf("the Value is %d while it is being changed", got)
	}
	child.Send("end")
	child.WaitOK()
	wantOK(t, v.Store(background, 8))
	wantOK(t, a.Set(background, 0, 8))
}

// Two handles of one object, also by two attachments of one process, are the same object with the same lock.
func TestTwoHandles(t *testing.T) {
	seg := newSegment(t, small)
	other := need(shm.FromFile(seg.File()))
	defer other.Close()
	v := need(shm.NewValue[int64](seg, "v", 1))
	for _, w := range []*shm.Value[int64]{need(shm.NewValue[int64](seg, "v", 2)), need(shm.OpenValue[int64](other, "v"))} {
		before := need(v.Load())
		if got := need(w.Load()); got != before || w.Name() != "v" {
			t.Errorf("%q is %d, not %d", w.Name(), got, before)
		}
		var wg sync.WaitGroup
		for _, h := range []*shm.Value[int64]{v, w} {
			wg.Go(func() {
				for range 1000 {
					must(h.Update(background, func(n *int64) error { *n++; return nil }))
				}
			})
		}
		wg.Wait()
		if got := need(v.Load()); got != before+2000 {
			t.Errorf("%d after 2000 increments of %d", got, before)
		}
	}
	if v.Segment().Path() != seg.Path() {
		t.Error(v.Segment().Path())
	}
}
