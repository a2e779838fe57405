//go:build linux

package shm_test

import (
	"testing"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
)

// Nothing that is done often allocates.
func TestNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	seg := newSegment(t, small)
	v, a := need(shm.NewValue(seg, "v", parts{})), need(shm.NewArray[parts](seg, "a", 4))
	rv, ra := need(shm.NewRawValue(seg, "rv", parts{})), need(shm.NewRawArray[parts](seg, "ra", 4))
	c, b, f := need(shm.NewCounter(seg, "c")), need(shm.NewBool(seg, "b", true)), need(shm.NewFloat64(seg, "f", 1))
	i32, i64 := need(shm.NewInt32(seg, "i32", 0)), need(shm.NewInt64(seg, "i64", 0))
	u32, u64 := need(shm.NewUint32(seg, "u32", 0)), need(shm.NewUint64(seg, "u64", 0))
	p := parts{1}
	for name, do := range map[string]func(){
		"Value.Load":  func() { p = need(v.Load()) },
		"Value.Store": func() { must(v.Store(background, p)) },
		"Value.Update": func() {
			must(v.Update(background, func(q *parts) error { q[0] += p[0]; return nil }))
		},
		"Array.At":  func() { p = need(a.At(background, 3)) },
		"Array.Set": func() { must(a.Set(background, 3, p)) },
		"Array.Update": func() {
			must(a.Update(background, func(e []parts) error { e[0] = p; return nil }))
		},
		"Array.UpdateRange": func() {
			must(a.UpdateRange(background, 1, 3, func(e []parts) error { e[0] = p; return nil }))
		},
		"Array.Read":        func() { must(a.Read(background, func(e []parts) error { p = e[0]; return nil })) },
		"Array.Slice":       func() { p = a.Slice()[1] },
		"Array.All":         func() { iterate(a.All()) },
		"RawValue.Load":     func() { p = rv.Load() },
		"RawValue.Store":    func() { rv.Store(p) },
		"RawValue.Pointer":  func() { rv.Pointer()[0]++ },
		"RawArray.At":       func() { p = ra.At(2) },
		"RawArray.Set":      func() { ra.Set(2, p) },
		"RawArray.Slice":    func() { p = ra.Slice()[0] },
		"RawArray.All":      func() { iterate(ra.All()) },
		"Counter.Add":       func() { c.Add(1) },
		"Counter.Sum":       func() { c.Sum() },
		"Bool":              func() { b.Store(!b.Load()); b.Swap(true); b.CompareAndSwap(true, false) },
		"Float64":           func() { f.Store(f.Load()); f.Swap(1); f.CompareAndSwap(1, 2); f.Add(1) },
		"Int32":             func() { everyMethod(i32, 1) },
		"Int64":             func() { everyMethod(i64, 1) },
		"Uint32":            func() { everyMethod(u32, 1) },
		"Uint64":            func() { everyMethod(u64, 1) },
		"Segment.Path/Size": func() { _, _ = seg.Path(), seg.Size() },
	} {
		if n := testing.AllocsPerRun(100, do); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func iterate(all func(func(int, parts) bool)) {
	for i, e := range all {
		if i < 0 || e[0] < 0 {
			panic("impossible")
		}
	}
}

func everyMethod[T any](a integer[T], n T) {
	a.Store(a.Load())
	a.Add(a.Swap(n))
	a.And(a.Or(n))
	a.CompareAndSwap(n, n)
}
