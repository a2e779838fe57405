package segment

import (
	"math"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/wait"
)

// Abandon lets go of the object at once, whatever handles there are, and not only when the garbage
// collector finds that none is reachable. If it was removed, and no other process has it open, its
// memory can be another object's from here on. It may be called again.
//
// Preconditions: nothing in this process touches the payload any more, by whichever handle.
func (o *Object) Abandon() {
	s := o.Seg
	s.mu.Lock()
	if !s.Closed() && s.objects.get(o.place) == o && s.objects.giveUp(o.place) && !s.ReadOnly() {
		s.leave(o.index)
	}
	s.mu.Unlock()
	s.closeIdle()
	runtime.KeepAlive(o)
}

// Release ends the use of the object by one of its handles. With the last of them the object is
// closed in this process, as all are by [Segment.Close], and let go of; and so is the segment, if
// it was attached for the sake of a handle only and nothing else of it is in use. Idle reports that
// the handle can lead to a Blank from here on, since no operation is under way.
//
// Errors: a [*HeldError] when this process holds the object's lock, or is at work in it, and goes
// on for longer than Close waits: the object stays in use until that ends.
func (o *Object) Release() (idle bool, err error) {
	s := o.Seg
	s.mu.Lock()
	o.handles--
	if o.handles > 0 || s.Closed() || s.objects.get(o.place) != o {
		s.mu.Unlock()
		return !o.local.held(), nil
	}
	s.objects.hide(o.place) // a handle that is made from here on gets a view of its own
	o.closer.Close()
	s.mu.Unlock()
	s.grantLooks()
	if !o.awaitIdle(s.grace) {
		go func() {
			o.awaitIdle(math.MaxInt64)
			o.letGo()
		}()
		return false, &HeldError{Segment: s.path, Objects: []string{o.Name}, Kept: true}
	}
	o.letGo()
	return true, nil
}

// Detach is [Object.Release] for a handle that goes on to exist: bind points it at a Blank when no
// operation is under way.
func (o *Object) Detach(bind func(*Object) error) error {
	blank := o.Blank()
	idle, err := o.Release()
	if idle {
		err = bind(blank)
	}
	return err
}

// letGo ends the use of an object that is closed and hidden.
func (o *Object) letGo() {
	s := o.Seg
	s.mu.Lock()
	if !s.Closed() && s.objects.discount(o.index) && !s.ReadOnly() {
		s.leave(o.index)
	}
	s.mu.Unlock()
	s.closeIdle()
	runtime.KeepAlive(o)
}

// awaitIdle waits for operations in flight, at most for that long, and reports whether none is
// left.
func (o *Object) awaitIdle(limit time.Duration) bool {
	pause := 100 * time.Microsecond
	for began := time.Now(); o.local.held() && !o.Seg.Closed(); pause = min(2*pause, 10*time.Millisecond) {
		if time.Since(began) >= limit {
			return false
		}
		time.Sleep(pause) // what it waits for tells nothing
	}
	return true
}

// Blank is what a handle that has been released views instead of the object: memory of this process
// alone, of the same size, in a segment that is closed for it. It begins with what the object began
// with, so that a view of it is possible.
func (o *Object) Blank() *Object {
	closed := wait.NewCloser()
	closed.Close()
	return o.scratched(closed)
}

// scratched is an object with memory of this process alone, of the size of o, that begins as o
// does.
func (o *Object) scratched(closer *wait.Closer) *Object {
	b := &Object{
		Seg: o.Seg, Name: o.Name, Kind: o.Kind, Type: o.Type, place: o.place, unnamed: o.unnamed, blank: true,
		party:  &lock.Party{Member: o.party.Member, Closer: closer, Keep: o.party.Keep, Waits: o.party.Waits},
		closer: closer,
		there:  Presence{word: closer.Gone()},
	}
	b.Payload = scratch(b, len(o.Payload))
	copy(b.Payload, o.Payload[:min(len(o.Payload), directory.PageBytes)])
	return b
}

// IsBlank reports whether the payload is memory of this process alone since the object was viewed,
// and not only since a Close.
func (o *Object) IsBlank() bool { return o.blank }

// scratch is n bytes of this process alone, for as long as b is reachable. Many cost only what is
// touched of them.
func scratch(b *Object, n int) []byte {
	if n > keptObject {
		if memory, err := mapping.Scratch(n); err == nil {
			runtime.AddCleanup(b, func(m *mapping.Memory) { m.Unmap() }, memory)
			return memory.Bytes()
		}
	}
	return make([]byte, n)
}

// hide makes the next handle of what is at that place another view. It stays in use.
func (r *registry) hide(p place) { delete(r.open, p) }

// discount takes out one view at an entry, and reports whether nothing there is open now.
func (r *registry) discount(i uint32) (last bool) {
	if r.entries[i]--; r.entries[i] > 0 {
		return false
	}
	delete(r.entries, i)
	return true
}

// giveUp takes out a place whatever handles it has, and reports whether nothing at that entry is
// open now.
func (r *registry) giveUp(p place) (last bool) {
	r.hide(p)
	return r.discount(p.index)
}
