package segment

import (
	"runtime"
	"sync"
	"weak"
)

// A registry knows the objects that this process has open, for as long as a handle of each is reachable.
type registry struct {
	mu       sync.Mutex
	bySerial map[uint64]weak.Pointer[Object]
	indexes  map[uint32]uint64 // entry -> serial of what is open there
}

func (r *registry) init() {
	r.bySerial = map[uint64]weak.Pointer[Object]{}
	r.indexes = map[uint32]uint64{}
}

func (r *registry) get(serial uint64) *Object {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bySerial[serial].Value()
}

// uses reports whether this process has something open at entry i.
func (r *registry) uses(i uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.indexes[i]
	return ok
}

// put enters o, and sees to it that the process's bit goes when the last handle has gone.
func (r *registry) put(s *Segment, o *Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bySerial[o.serial] = weak.Make(o)
	r.indexes[o.index] = o.serial
	type place struct {
		index  uint32
		serial uint64
	}
	runtime.AddCleanup(o, func(p place) { s.dropped(p.index, p.serial) }, place{o.index, o.serial})
}

// dropped is called when no handle of an object is reachable any more.
func (s *Segment) dropped(i uint32, serial uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.objects
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Closed() || r.bySerial[serial].Value() != nil {
		return // the bits went with the close; or it was opened again
	}
	delete(r.bySerial, serial)
	if r.indexes[i] == serial {
		delete(r.indexes, i)
		s.leave(i)
	}
}

// held returns the names of the objects whose lock this process holds.
func (r *registry) held() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.bySerial {
		if o := w.Value(); o != nil && o.local.held() {
			names = append(names, o.Name)
		}
	}
	return names
}

// leaveObjects clears this process's bit in everything that it has open.
func (s *Segment) leaveObjects() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	for i := range s.objects.indexes {
		s.leave(i)
	}
	s.objects.init()
}

// localState is what all handles of an object share within a process: its locks.
type localState struct {
	once  sync.Once
	state any
	locks func() bool // reports whether this process holds one of them
}

// Local returns the process's state for the object, made by the first caller. The
// function held tells Close whether the process holds a lock of it; it may be nil.
func (o *Object) Local(make func() (state any, held func() bool)) any {
	o.local.once.Do(func() { o.local.state, o.local.locks = make() })
	return o.local.state
}

func (l *localState) held() bool { return l.locks != nil && l.locks() }
