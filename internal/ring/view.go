package ring

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// Nobody owns what no process has claimed.
const Nobody proctab.Owner = 0

// A View is what the views of all rings have in common: this process, as far as it works on one object.
type View struct {
	Me      proctab.Owner
	Table   *proctab.Table
	Closer  *wait.Closer // of this process's attachment to the segment
	Corrupt error        // a [segment.ErrCorrupt] that names the object
}

// NewView is the view of an object, for the package of that name.
func NewView(o *segment.Object, pkg string) View {
	return View{
		Me: o.Seg.Me(), Table: o.Seg.Table(), Closer: o.Party().Closer,
		Corrupt: fmt.Errorf("%s: %v %q of %s: %w: its words contradict each other: remove it and make it anew",
			pkg, o.Kind, o.Name, o.Seg.Path(), segment.ErrCorrupt),
	}
}

// OwnerDead reports whether no process is going to finish what the owner of a claim began.
func (v *View) OwnerDead(o proctab.Owner) bool { return o == Nobody || o != v.Me && v.Table.Dead(o) }

// A Layout is where the places of a ring lie in an object's payload: behind a head, whose first word is the
// capacity, a power of two.
type Layout struct {
	Head     int     // bytes of the head
	Stride   uintptr // bytes for each unit of capacity
	Min, Max uint64  // capacities
}

// Capacity reads the capacity from the head, once, and checks it against the object's size. Rest is how many bytes
// follow the places.
//
// Errors: [segment.ErrCorrupt].
func (l Layout) Capacity(o *segment.Object) (capacity uint64, rest int, err error) {
	if len(o.Payload) <= l.Head {
		return 0, 0, Damaged(o)
	}
	capacity = firstWord(o.Payload)
	area := uint64(len(o.Payload) - l.Head)
	if capacity < l.Min || capacity > l.Max || capacity&(capacity-1) != 0 || area/uint64(l.Stride) < capacity {
		return 0, 0, Damaged(o)
	}
	return capacity, int(area - capacity*uint64(l.Stride)), nil
}

// Damaged says that the head of an object does not fit its size.
func Damaged(o *segment.Object) error {
	return fmt.Errorf("%v %q of %s: %w: its head does not fit its size: remove it and make it anew",
		o.Kind, o.Name, o.Seg.Path(), segment.ErrCorrupt)
}

// ViewOf is this process's view of an object, which view makes for the object's first handle. A close of the segment
// waits while busy reports true; a nil busy never does.
func ViewOf[V any](o *segment.Object, view func() (V, error), busy func(V) bool) (V, error) {
	type result struct {
		v   V
		err error
	}
	r := o.Local(func() (any, func() bool) {
		v, err := view()
		if err != nil || busy == nil {
			return result{v, err}, nil
		}
		return result{v, nil}, func() bool { return busy(v) }
	}).(result)
	return r.v, r.err
}
