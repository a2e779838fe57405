//go:build crashtest && linux

package segment

import (
	"encoding/binary"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A stage is a segment that a scene plays in.
type stage struct {
	*testing.T
	s    *Segment // the survivor's attachment
	path string
	lone *Object // without a name; nil: the scene is not about one
}

// sized is an object of n bytes that are all the same, so that half of one is noticed.
func sized(name string, n int64) Spec {
	spec := rawSpec(name, n)
	spec.Init = func(b []byte) { fill(b, markOf(name)) }
	return spec
}

func markOf(name string) byte { return byte(directory.HashOf(name)) | 1 }

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

// make puts objects into the stage, in this order in its heap. Those with names that
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
	must(s.locked(func() error { return s.dir.Reclaim(1 << 20) }))
}

// strangers are slots that seem to belong to living processes, which have everything open.
var strangers = []int{3, 5}

// forsake leaves the segment with strangers alone.
func (w *stage) forsake() {
	for _, slot := range strangers {
		word := uint64(1)<<61 | 1<<32 | 1<<31 | 12345 // as one that has locked its byte
		binary.NativeEndian.PutUint64(w.s.mem[w.s.geo.Table+uint64(slot)*proctab.SlotBytes:], word)
		for i := range w.s.dir.UsedEntries() {
			w.s.dir.UserBit(i, slot).Set()
		}
	}
	w.s.Close()
}

// noStrangers reports slots and users bits that forsake has left.
func (w *stage) noStrangers() {
	if n := owners(w.s); n != 1 {
		w.Errorf("%d members are left, want the survivor alone", n)
	}
	for _, slot := range strangers {
		for i := range w.s.dir.UsedEntries() {
			if w.s.dir.UserBit(i, slot).IsSet() && w.s.Me().Slot() != slot {
				w.Errorf("entry %d still seems to be open in slot %d", i, slot)
			}
		}
	}
}

// A process that is killed while it clears the table, at whatever point, leaves what the next one
// clears.
func TestKilledWhileClearing(t *testing.T) {
	proctest.Sweep(t, 1, func(p *proctest.Crash) {
		w := scene{}.newStage(t)
		w.make("a:100")
		w.s.dir.Header().SetBoot([2]uint64{3, 4})
		w.forsake()
		completed := w.kill(p, "attach")
		w.s = mustOpen(w.path)
		if w.s.dir.Header().BootID() != bootID() {
			w.Error("the boot is not that of this machine")
		}
		w.noStrangers()
		w.goesOn()
		w.intact(scene{}, map[string]int{"a": 100}, completed)
		w.emptied()
		w.s.Close()
	})
}
