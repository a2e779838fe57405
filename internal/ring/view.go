package ring

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// Nobody is the owner of what no process has claimed.
const Nobody proctab.Owner = 0

// A View is what the views of all rings have in common: this process, as far as it works on one
// object.
type View struct {
	Me      proctab.Owner
	Table   *proctab.Table
	Closer  *wait.Closer // of this process's attachment to the segment
	corrupt error        // a [segment.ErrCorrupt] that names the object
	o       *segment.Object
}

// NewView is the view of an object, for the package of that name.
//
// That of an object which this process only reads is for looks alone: what would change the ring
// views [segment.Object.Writable].
func NewView(o *segment.Object, pkg string) View {
	closer := o.Party().Closer
	if o.ReadOnly() {
		closer = o.Closer()
	}
	return View{
		Me: o.Seg.Me(), Table: o.Seg.Table(), Closer: closer, o: o,
		corrupt: fmt.Errorf("%s: %v %q of %s: %w: its words contradict each other: remove it and make it anew",
			pkg, o.Kind, o.Name, o.Seg.Path(), segment.ErrCorrupt),
	}
}

// OwnerDead reports whether no process is going to finish what the owner of a claim began.
func (v *View) OwnerDead(o proctab.Owner) bool { return o == Nobody || o != v.Me && v.Table.Dead(o) }

// Corrupt is the error for words that contradict each other: a [segment.ErrCorrupt] that names the
// object, or [lock.ErrClosed].
func (v *View) Corrupt() error { return v.Concluded(v.corrupt) }

// Concluded is the conclusion of a look at the object: err, or [lock.ErrClosed] when this process
// has left the object meanwhile. The look may have met memory of this process's own then, which is
// empty.
func (v *View) Concluded(err error) error {
	if v.Closer.Closed() {
		return v.Closer.Err()
	}
	return err
}

// Reached is nil when what this process has just written has reached the memory of all processes,
// and [lock.ErrClosed] when it may not have.
func (v *View) Reached() error {
	if v.Detached() {
		return v.Closer.Err()
	}
	return nil
}

// GaveUp reports that this process gave up what a dead owner had of the object in that role.
func (v *View) GaveUp(dead proctab.Owner, as lock.Role) {
	v.Table.TookOver(dead, uint64(v.o.Target(as)))
}

// Detached reports whether the segment has let go of this process.
func (v *View) Detached() bool { return v.o.Seg.Detached() }

// AwaitLeft waits until a close of the segment has looked at what this process has left; see
// [segment.Object.WhenLeft].
func (v *View) AwaitLeft() { v.o.AwaitLeft() }

// QuietSoon and QuietSurely wait until no operation is under way; see [segment.Segment.QuietSoon].
func (v *View) QuietSoon(quiet func() bool) bool { return v.o.Seg.QuietSoon(quiet) }

// QuietSurely is for words in this process's own memory; see [segment.Segment.QuietSurely].
func (v *View) QuietSurely(quiet func() bool) bool { return v.o.Seg.QuietSurely(quiet) }

// A Layout is where the places of a ring lie in an object's payload: behind a head that begins
// with the capacity, a power of two. Where tasks are counted, a count for each process follows
// the places.
type Layout struct {
	Head     int     // bytes of the head
	Stride   uintptr // bytes for each unit of capacity
	Min, Max uint64  // capacities
	Joinable bool    // the head is a [Head], which says whether there are counts of tasks
}

// Size is the size of the object. Processes is how many count their tasks.
func (l Layout) Size(capacity uint64, processes int) int64 {
	end := l.Head + int(capacity*uint64(l.Stride))
	if processes > 0 {
		end = tasksAt(end) + processes*taskBytes
	}
	return int64(end)
}

// Capacity reads the capacity from the head, once, and checks that the object has the size that the
// head asks for. Tasks are the counts of the processes; nil when the object is not joinable.
//
// Errors: [segment.ErrCorrupt].
func (l Layout) Capacity(o *segment.Object) (capacity uint64, tasks []byte, err error) {
	size := int64(len(o.Payload))
	if size <= int64(l.Head) {
		return 0, nil, Damaged(o)
	}
	capacity = firstWord(o.Payload)
	if capacity < l.Min || capacity > l.Max || capacity&(capacity-1) != 0 || capacity > uint64(size)/uint64(l.Stride) {
		return 0, nil, Damaged(o)
	}
	if size == l.Size(capacity, 0) && (!l.Joinable || headIn(o.Payload).flags == 0) {
		return capacity, nil, nil
	}
	processes := o.Seg.Table().Len()
	if l.Joinable && size == l.Size(capacity, processes) && headIn(o.Payload).flags == joinable {
		return capacity, o.Payload[size-int64(processes*taskBytes):], nil
	}
	return 0, nil, Damaged(o)
}

// Damaged says that the head of an object does not fit its size.
func Damaged(o *segment.Object) error {
	return o.Damaged("its head does not fit its size")
}

// ViewOf is this process's view of an object, which view makes for the object's first handle. A
// close of the segment waits while busy reports true; a nil busy never does.
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
