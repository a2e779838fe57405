package segment

import "runtime"

// Release lets go of the object at once, and not only when the garbage collector finds that no handle is reachable.
// If it was removed, and nobody else has it open, its memory can be another object's from here on. It may be called again.
//
// Preconditions: nothing in this process touches the payload any more, by whichever handle.
func (o *Object) Release() {
	s := o.Seg
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Closed() || s.objects.get(o.place) != o {
		return
	}
	if s.objects.giveUp(o.place) {
		s.leave(o.index)
	}
	runtime.KeepAlive(o)
}

// giveUp takes out a place whatever handles it has, and reports whether nothing at that entry is open now.
func (r *registry) giveUp(p place) (last bool) {
	delete(r.open, p)
	if r.entries[p.index]--; r.entries[p.index] > 0 {
		return false
	}
	delete(r.entries, p.index)
	return true
}
