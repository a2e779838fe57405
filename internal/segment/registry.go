package segment

import (
	"io"
	"runtime"
	"sync"
	"weak"

	"github.com/shmkit/shmkit/internal/directory"
)

// A registry knows the objects that this process has open, for as long as a handle
// of each is reachable. Its users hold Segment.mu.
//
// Invariant: entries[i] is the number of places in open whose index is i; while it
// is not 0, this process's bit is set in entry i.
type registry struct {
	open    map[place]weak.Pointer[Object]
	entries map[uint32]int
}

func (r *registry) init() {
	r.open = map[place]weak.Pointer[Object]{}
	r.entries = map[uint32]int{}
}

// get returns the Object that this process's other handles of the place share, or nil.
func (r *registry) get(p place) *Object { return r.open[p].Value() }

// uses reports whether this process has something open at entry i.
func (r *registry) uses(i uint32) bool { return r.entries[i] > 0 }

func (r *registry) put(o *Object) {
	if _, ok := r.open[o.place]; !ok {
		r.entries[o.index]++
	}
	r.open[o.place] = weak.Make(o)
}

// release takes the Object of a place out when it has no handle any more, and reports whether this
// process has nothing open at its entry now.
func (r *registry) release(p place) (last bool) {
	w, ok := r.open[p]
	if !ok || w.Value() != nil {
		return false // it was opened again
	}
	return r.giveUp(p)
}

// dropped is called when no handle of an object is reachable any more.
func (s *Segment) dropped(p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Closed() {
		return // the bits go, or went, with the close
	}
	if s.objects.release(p) {
		if !s.ReadOnly() {
			s.leave(p.index)
		}
		if s.auto.Load() {
			go s.closeIdle() // not here: cleanups of others wait
		}
	}
}

// collecting is held by the goroutine that runs the collector for a segment.
var collecting sync.Mutex

// dropUnreachable runs the garbage collector, which finds objects that have lost their last handle
// in this process. It does nothing, and reports false, when that would free no memory: when this
// process has no removed or unnamed object open, and its attachment is not one that ends with the
// last handle.
func (s *Segment) dropUnreachable() (dropped bool) {
	if !s.keeps(place.isRetired) && !s.isForsaken() {
		return false
	}
	// One at a time: to look at a weak pointer while another collection runs keeps its object
	// alive.
	collecting.Lock()
	defer collecting.Unlock()
	before := s.left.Load()
	runtime.GC() // clears the weak pointers
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Closed() {
		return false
	}
	for p := range s.objects.open {
		if s.objects.release(p) {
			s.leave(p.index)
		}
	}
	return s.left.Load() != before
}

// keeps reports whether this process is said to have an object open that is in a state of that
// kind.
func (s *Segment) keeps(kind func(p place, state uint64) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.objects.open {
		if kind(p, s.dir.Entry(p.index).State.Load()) {
			return true
		}
	}
	return false
}

// inUse returns the objects that this process has open.
func (s *Segment) inUse() (open []*Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.objects.open {
		if o := w.Value(); o != nil {
			open = append(open, o)
		}
	}
	return open
}

// held returns the names of the objects that this process has locked. It asks
// them without s.mu, as some wait a moment before they answer.
func (s *Segment) held() (names []string) {
	for _, o := range s.inUse() {
		if o.local.held() {
			names = append(names, o.Name)
		}
	}
	return names
}

// WhenLeft has a close of the segment call f when this process does not reach the object any more,
// and is not yet taken for dead: what it has claimed there has not changed hands. payload reads
// what the others see.
func (o *Object) WhenLeft(f func(payload io.ReaderAt)) {
	o.Seg.mu.Lock()
	defer o.Seg.mu.Unlock()
	o.left = f
}

// AwaitLeft waits until a close of the segment, which has detached this process, has called the
// functions of WhenLeft.
func (o *Object) AwaitLeft() { <-o.Seg.told }

// tellLeft calls the functions of WhenLeft.
func (s *Segment) tellLeft() {
	defer close(s.told)
	for _, o := range s.inUse() {
		s.mu.Lock()
		f := o.left
		s.mu.Unlock()
		if f != nil {
			f(io.NewSectionReader(s.file, int64(o.start), int64(len(o.Payload))))
		}
	}
}

// leaveObjects clears this process's bit in everything that it has open.
func (s *Segment) leaveObjects() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.objects.entries {
		s.leave(i)
	}
	s.objects.init()
}

// openBits is this process's bit in everything that it has open.
func (s *Segment) openBits() (all []directory.UserBit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.objects.entries {
		all = append(all, s.myBit(i))
	}
	return all
}

// localState is what all handles of an object share within a process: its locks.
type localState struct {
	mu    sync.Mutex
	made  bool
	state any
	locks func() bool // reports whether this process holds one of them
}

// Local returns the process's state for the object, made by the first caller. The
// function held tells Close whether the process holds a lock of it; it may be nil.
func (o *Object) Local(make func() (state any, held func() bool)) any {
	l := &o.local
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.made {
		l.state, l.locks = make()
		if o.Seg.ReadOnly() {
			l.locks = nil // there are none
		}
		l.made = true
	}
	return l.state
}

func (l *localState) held() bool {
	l.mu.Lock()
	locks := l.locks
	l.mu.Unlock()
	return locks != nil && locks()
}
