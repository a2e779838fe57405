//go:build linux

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// crowded is a segment with n objects.
func crowded(t testing.TB, n int) *Segment {
	t.Helper()
	s := fresh(t, Config{Size: 256 << 20, Objects: n + 1, Processes: 256})
	for i := range n {
		if err := s.locked(func() error { return s.dir.BuildNamed(rawSpec(strconv.Itoa(i), 8).record()) }); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

const many = 100_000

// Opening a segment and looking up an object cost much the same however many objects there are: far
// from as much more as there are more objects.
func TestManyObjects(t *testing.T) {
	const few, more = 100, 50 // a thousand times as many objects cost less than 50 times as much
	small, s := crowded(t, few), crowded(t, many)
	best := func(f func()) time.Duration {
		best := time.Hour
		for range 20 {
			began := time.Now()
			f()
			best = min(best, time.Since(began))
		}
		return best
	}
	open := func(s *Segment) time.Duration {
		return best(func() {
			o, err := Open(s.Path())
			if err != nil {
				t.Fatal(err)
			}
			o.Close()
		})
	}
	if a, b := open(small), open(s); b > more*a { //clock: a ratio of the best of many, in one run
		t.Errorf("opening and closing takes %v, of few objects %v", b, a)
	}
	lookup := func(s *Segment, objects int) time.Duration {
		return best(func() {
			for i := range few {
				if _, _, err := s.find(t.Context(), strconv.Itoa(i*(objects/few))); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	//clock: a ratio of the best of many, in one run
	if a, b := lookup(small, few), lookup(s, many); b > more*a {
		t.Errorf("%d lookups take %v, of few objects %v", few, b, a)
	}
	// remove removes objects, and returns what the quickest of the last groups of them took.
	remove := func(s *Segment, groups, size int) time.Duration {
		quickest := time.Hour
		for g := range groups {
			began := time.Now()
			for i := range size {
				if err := s.Remove(strconv.Itoa(g*size + i + 1)); err != nil {
					t.Fatal(err)
				}
			}
			if g >= groups/2 {
				quickest = min(quickest, time.Since(began))
			}
		}
		return quickest
	}
	// A process keeps a removed object open, and removing does not become slower by the number of
	// objects.
	kept := made(t, s, "0", 8)
	if err := s.Remove("0"); err != nil {
		t.Fatal(err)
	}
	const groups = 200
	const removed = groups * (few - 1)
	//clock: a ratio of the best of many, in one run
	if a, b := remove(small, 1, few-1), remove(s, groups, few-1); b > more*a {
		t.Errorf("%d removals take %v, of few objects %v", few-1, b, a)
	}
	if _, err := s.Open(rawSpec("7", 8)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	kept.Payload[0] = 1
	if r := checked(t, s); r.Objects != many-removed-1 || r.Retired != 1 {
		t.Errorf("%+v", r)
	}
}

func BenchmarkOpenSegment(b *testing.B) {
	for _, n := range []int{1, many} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			s := crowded(b, n)
			for b.Loop() {
				o, err := Open(s.Path())
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				o.Close()
				b.StartTimer()
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, many} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			s := crowded(b, n)
			specs := make([]Spec, min(n, 1024))
			for i := range specs {
				specs[i] = rawSpec(strconv.Itoa(i*(n/len(specs))), 8)
			}
			keep := make([]*Object, len(specs))
			for i := range specs {
				keep[i], _ = s.Open(specs[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := s.Open(specs[i%len(specs)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
			runtime.KeepAlive(keep)
		})
	}
}

// BenchmarkFirstOpen is a lookup by a process that does not have the object open yet.
func BenchmarkFirstOpen(b *testing.B) {
	s := crowded(b, many)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open(rawSpec(strconv.Itoa(i%many), 8)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkCreateRemove(b *testing.B) {
	for _, n := range []int{1, many} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			s := crowded(b, n)
			for b.Loop() {
				if err := s.locked(func() error { return s.dir.BuildNamed(rawSpec("x", 100).record()) }); err != nil {
					b.Fatal(err)
				}
				if err := s.Remove("x"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAllocFree(b *testing.B) {
	s := fresh(b, Config{})
	for _, n := range []int{64, 4096, 1 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				off, _, err := s.Alloc(n)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Free(off); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
