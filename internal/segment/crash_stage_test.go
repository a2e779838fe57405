//go:build crashtest && linux

package segment

import (
	"strconv"
	"strings"
	"testing"
)

// A stage is a segment that a scene plays in.
type stage struct {
	*testing.T
	s    *Segment // the survivor's attachment
	path string
}

// sized is an object of n bytes that are all the same, so that half of one is noticed.
func sized(name string, n int64) Spec {
	spec := rawSpec(name, n)
	spec.Init = func(b []byte) { fill(b, markOf(name)) }
	return spec
}

func markOf(name string) byte { return byte(hashOf(name)) | 1 }

func mustNew(s *Segment, name string, n int64) *Object {
	o, _, err := s.New(sized(name, n))
	must(err)
	return o
}

func mustAlloc(s *Segment, n int) uint64 {
	off, mem, err := s.Alloc(n)
	must(err)
	for _, b := range mem {
		if b != 0 {
			panic("a new block is not zero")
		}
	}
	fill(mem, 0xbb)
	return off
}

// make puts objects into the stage, in this order in its heap. Those whose names
// begin with "gap" are removed again.
func (w *stage) make(objects ...string) {
	for _, o := range objects {
		name, size, _ := strings.Cut(o, ":")
		n, err := strconv.ParseInt(size, 10, 64)
		must(err)
		mustNew(w.s, name, n)
	}
	for _, o := range objects {
		if name, _, _ := strings.Cut(o, ":"); strings.HasPrefix(name, "gap") {
			must(w.s.Remove(name))
		}
	}
	dropAll(w.s)
}

// dropAll makes an attachment forget its handles, as the garbage collector would.
func dropAll(s *Segment) {
	s.mu.Lock()
	for i := range s.objects.entries {
		s.leave(i)
	}
	s.objects.init()
	s.mu.Unlock()
	must(s.locked(func() error { return s.sweep(1 << 20) }))
}
