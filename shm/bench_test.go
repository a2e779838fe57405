//go:build linux

package shm_test

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// crowded makes a segment with that many objects, and returns some of their names.
func crowded(t testing.TB, objects int) (seg *shm.Segment, names []string) {
	t.Helper()
	seg, err := shm.Create(newPath(t), shm.Options{Size: 64 << 20, Objects: objects + 2, Processes: 64})
	wantOK(t, err)
	t.Cleanup(func() { seg.Close() })
	for i := range objects {
		name := fmt.Sprintf("object-%d", i)
		need(shm.NewInt64(seg, name, int64(i)))
		if i%max(objects/64, 1) == 0 && len(names) < 64 {
			names = append(names, name)
		}
	}
	return seg, names
}

// attached attaches this process so often that the segment has that many parties.
func attached(t testing.TB, seg *shm.Segment, parties int) {
	t.Helper()
	for range parties - 1 {
		other, err := shm.FromFile(seg.File())
		wantOK(t, err)
		t.Cleanup(func() { other.Close() })
	}
}

// Finding an object takes the same time however many there are.
func BenchmarkLookup(b *testing.B) {
	for _, objects := range []int{1, 100_000} {
		seg, names := crowded(b, objects)
		var kept []*shm.Int64 // as a program does that looks objects up more than once
		for _, name := range names {
			kept = append(kept, need(shm.OpenInt64(seg, name)))
		}
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				need(shm.OpenInt64(seg, names[i%len(names)]))
			}
		})
		for _, k := range kept {
			k.Load()
		}
	}
}

// Attaching to a segment takes the same time however many objects are in it.
func BenchmarkOpenSegment(b *testing.B) {
	for _, objects := range []int{1, 100_000} {
		seg, _ := crowded(b, objects)
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			for b.Loop() {
				must(need(shm.Open(seg.Path())).Close())
			}
		})
	}
}

// A change costs the same however many processes are attached.
func BenchmarkAttached(b *testing.B) {
	for _, parties := range []int{1, 256} {
		seg := need(shm.Create(newPath(b), shm.Options{Size: 4 << 20}))
		b.Cleanup(func() { seg.Close() })
		attached(b, seg, parties)
		v, c := need(shm.NewValue[int64](seg, "v", 0)), need(shm.NewCounter(seg, "c"))
		a := need(shm.NewArray[int64](seg, "a", 1000))
		b.Run(fmt.Sprintf("Value.Update/processes=%d", parties), func(b *testing.B) {
			for b.Loop() {
				must(v.Update(background, func(n *int64) error { *n++; return nil }))
			}
		})
		b.Run(fmt.Sprintf("Value.Load/processes=%d", parties), func(b *testing.B) {
			for b.Loop() {
				need(v.Load())
			}
		})
		b.Run(fmt.Sprintf("Array.Set/processes=%d", parties), func(b *testing.B) {
			for b.Loop() {
				must(a.Set(background, 7, 7))
			}
		})
		b.Run(fmt.Sprintf("Counter.Add/processes=%d", parties), func(b *testing.B) {
			for b.Loop() {
				c.Add(1)
			}
		})
	}
}
