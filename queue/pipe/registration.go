package pipe

import (
	"fmt"
	"io/fs"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// What lies in a listener's segment, beside the connections that have not been accepted yet.
const (
	listenerName = "listener"
	backlogName  = "backlog"
)

// A registration is one process's view of the listener object: which process listens in the
// segment.
type registration struct {
	o     *segment.Object
	head  *listenHead
	room  *lock.EventCount // in the backlog
	table *proctab.Table
}

// register makes this process the listener of a segment that had none. A listener that is dead or
// closed loses the segment's name: what lies there is left to its connections, and the error is
// errReplaced.
//
// What a death leaves behind: a dead listener; or a segment without a name.
func register(a *attachment, buffer uint64) (*registration, error) {
	s := segment.Of(a.seg)
	if err := onlyListener(a.seg); err != nil {
		return nil, err
	}
	o, created, err := s.New(segment.Spec{
		Name: listenerName, Kind: segment.KindListener, Size: listenHeadBytes,
		Init: func(mem []byte) {
			h := listenHeadIn(mem)
			h.buffer = buffer
			h.owner.Store(uint32(s.Me()))
		},
	})
	if err != nil {
		return nil, err
	}
	crashpoint.Here("listen.occupied")
	r := registrationOf(o)
	if created {
		return r, nil
	}
	w := r.head.owner.Load()
	if r.alive(w) || !r.head.owner.CompareAndSwap(w, uint32(s.Me())) {
		owner, _ := s.Table().Info(ownerOfEnd(w))
		return nil, fmt.Errorf("%v listens there: %w", owner, errno.AddressInUse)
	}
	crashpoint.Here("listen.inherited")
	r.unregister(a)
	return nil, errReplaced
}

// onlyListener makes sure that a segment is a listener's, or empty.
func onlyListener(seg *shm.Segment) error {
	other := ""
	for name, kind := range seg.Objects() {
		if name == listenerName && kind == segment.KindListener.String() {
			return nil
		}
		other = name
	}
	if other != "" {
		return fmt.Errorf("the segment %s holds %q, and is not a listener's: %w", seg.Path(), other, fs.ErrExist)
	}
	return nil
}

func registrationOf(o *segment.Object) *registration {
	return o.Local(func() (any, func() bool) {
		h := listenHeadIn(o.Payload)
		room := lock.NewEventCount(o.Party(), h.room[:])
		room.Target = o.Target(lock.RoleDial)
		return &registration{o: o, head: h, room: room, table: o.Seg.Table()}, nil
	}).(*registration)
}

// alive reports whether the listener with the word w still listens.
func (r *registration) alive(w uint32) bool {
	return w&listenClosed == 0 && !r.table.Dead(ownerOfEnd(w))
}

// unregister ends the listening of this process, and takes the name away.
func (r *registration) unregister(a *attachment) {
	r.head.owner.Or(listenClosed)
	crashpoint.Here("listen.closed")
	r.room.NotifyAll()
	a.invalidate()
	a.seg.Remove() // the name may be gone already, or lead to a newer listener
	crashpoint.Here("listen.removed")
}
