package queue

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

// A desk is one process's view of the listener object.
type desk struct {
	o     *segment.Object
	head  *listenHead
	room  *lock.EventCount // in the backlog
	table *proctab.Table
}

// occupy makes this process the one that listens in a segment which nobody has listened in before. The
// name of one that somebody has, who is dead or gone, is taken away: what lies there is left to its connections.
//
// What a death leaves behind: a dead listener; or a segment without a name.
func occupy(a *attachment, buffer uint64) (*desk, error) {
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
	d := deskOf(o)
	if created {
		return d, nil
	}
	w := d.head.owner.Load()
	if d.alive(w) || !d.head.owner.CompareAndSwap(w, uint32(s.Me())) {
		who, _ := s.Table().Info(ownerOfEnd(w))
		return nil, fmt.Errorf("%v listens there: %w", who, errno.AddressInUse)
	}
	crashpoint.Here("listen.inherited")
	d.leave(a)
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

func deskOf(o *segment.Object) *desk {
	return o.Local(func() (any, func() bool) {
		h := listenHeadIn(o.Payload)
		room := lock.NewEventCount(o.Party(), h.room[:])
		room.Target = o.Target(lock.RoleDial)
		return &desk{o: o, head: h, room: room, table: o.Seg.Table()}, nil
	}).(*desk)
}

// alive reports whether the listener whose word is w still listens.
func (d *desk) alive(w uint32) bool { return w&listenClosed == 0 && !d.table.Dead(ownerOfEnd(w)) }

// leave ends the listening of this process, and takes the name away.
func (d *desk) leave(a *attachment) {
	d.head.owner.Or(listenClosed)
	crashpoint.Here("listen.closed")
	d.room.NotifyAll()
	a.stale()
	a.seg.Remove() // it may be gone already, or lead to a newer listener
	crashpoint.Here("listen.removed")
}
