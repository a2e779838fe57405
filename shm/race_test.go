//go:build linux

package shm_test

import (
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// A channelOf passes an ordinary variable from one goroutine to another, by means of an object:
// what was done before put happened before what follows the get that sees it.
type channelOf struct {
	name string
	put  func()
	get  func() bool
}

func channels(seg *shm.Segment) []channelOf {
	v, a := need(shm.NewValue[int64](seg, "v", 0)), need(shm.NewArray[int64](seg, "a", 1))
	u := need(shm.NewValue[int64](seg, "u", 0))
	i32, i64 := need(shm.NewInt32(seg, "i32", 0)), need(shm.NewInt64(seg, "i64", 0))
	u32, u64 := need(shm.NewUint32(seg, "u32", 0)), need(shm.NewUint64(seg, "u64", 0))
	f, b, c := need(shm.NewFloat64(seg, "f", 0)), need(shm.NewBool(seg, "b", false)), need(shm.NewCounter(seg, "c"))
	i64b, u64b := need(shm.OpenInt64(seg, "i64")), need(shm.OpenUint64(seg, "u64")) // other handles
	return []channelOf{
		{"Value.Store", func() { must(v.Store(background, 1)) }, func() bool { return need(v.Load()) == 1 }},
		{"Value.Update", func() {
			must(u.Update(background, func(n *int64) error { *n = 1; return nil }))
		}, func() (ok bool) {
			must(u.Update(background, func(n *int64) error { ok = *n == 1; return nil }))
			return ok
		}},
		{"Array", func() { must(a.Set(background, 0, 1)) }, func() bool { return need(a.At(background, 0)) == 1 }},
		{"Int32", func() { i32.Store(1) }, func() bool { return i32.Load() == 1 }},
		{"Int64", func() { i64.Add(1) }, func() bool { return i64b.CompareAndSwap(1, 1) }},
		{"Uint32", func() { u32.Swap(1) }, func() bool { return u32.Swap(u32.Load()) == 1 }},
		{"Uint64", func() { u64.Or(1) }, func() bool { return u64b.And(1) == 1 }},
		{"Float64", func() { f.Add(1) }, func() bool { return f.Load() == 1 }},
		{"Bool", func() { b.Store(true) }, func() bool { return b.Load() }},
		{"Counter", func() { c.Add(1) }, func() bool { return c.Sum() == 1 }},
	}
}

// Programs that are right are right for the race detector, too. Without it this test only runs.
func TestObjectsOrderOrdinaryMemory(t *testing.T) {
	for i := range channels(newSegment(t, small)) {
		for range 20 {
			c := channels(newSegment(t, small))[i]
			published := 0
			done := make(chan struct{})
			go func() {
				published = 1
				c.put()
				// The channel orders what follows put, not what is before it, with the end of the
				// test.
				close(done)
			}()
			for !c.get() {
				runtime.Gosched()
			}
			if published != 1 {
				t.Errorf("%s: published %d", c.name, published)
			}
			<-done
		}
	}
}

// A lock lets all goroutines use an ordinary variable.
func TestUpdateGuardsOrdinaryMemory(t *testing.T) {
	seg := newSegment(t, small)
	v, a := need(shm.NewValue[int64](seg, "v", 0)), need(shm.NewArray[int64](seg, "a", 1))
	byValue, byArray := 0, 0
	done := make(chan struct{})
	for range 4 {
		go func() {
			for range 200 {
				must(v.Update(background, func(*int64) error { byValue++; return nil }))
				must(a.UpdateRange(background, 0, 0, func([]int64) error { byArray++; return nil }))
				must(a.Read(background, func([]int64) error { byArray++; return nil }))
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	if byValue != 800 || byArray != 1600 {
		t.Errorf("counted %d and %d", byValue, byArray)
	}
}
