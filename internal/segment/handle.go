package segment

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/mapping"
)

// A handle in a message is the identity of the segment, the entry and the serial number of the
// object, and the way to the segment. A process that has the segment attached, under whatever name,
// finds it by its identity. Others open it by its path; or, when it is anonymous, through the
// descriptor of the process that wrote the handle, for as long as that has it.
//
//	off  size  field
//	  0     1  handleVersion
//	  1     1  bit 0: the segment has a path, else it is anonymous; bit 1: open it for reading only
//	  2    16  identity
//	 18     4  entry, little-endian
//	 22     8  serial, little-endian
//	 30        the path; or process id and descriptor, 4 bytes each
const (
	handleVersion = 1
	handleBytes   = 30

	handleNamed    = 1 << 0
	handleReadOnly = 1 << 1
)

// MarshalHandle is [Object.Marshal] for a handle of that package, the object of which is nil when
// the handle was never bound.
func MarshalHandle(pkg string, o *Object) ([]byte, error) {
	if o == nil {
		return nil, fmt.Errorf("%s: marshal a handle: it has no object", pkg)
	}
	b, err := o.Marshal()
	if err != nil {
		return nil, fmt.Errorf("%s: marshal the handle of %q: %w", pkg, o.Name, err)
	}
	return b, nil
}

// Marshal writes down where the object is, for another process of this machine.
//
// Errors: [ErrRemoved] when others could not find the segment or the object, [lock.ErrClosed].
func (o *Object) Marshal() ([]byte, error) {
	s := o.Seg
	if o.closer.Closed() {
		return nil, s.dir.ClosedError()
	}
	if err := s.CheckNamed(); err != nil {
		return nil, err
	}
	if err := o.reachable(); err != nil {
		return nil, err
	}
	b := make([]byte, handleBytes, handleBytes+len(s.path))
	b[0] = handleVersion
	copy(b[2:18], s.id[:])
	binary.LittleEndian.PutUint32(b[18:], o.index)
	binary.LittleEndian.PutUint64(b[22:], o.serial)
	if s.ReadOnly() {
		b[1] |= handleReadOnly
	}
	if s.named {
		b[1] |= handleNamed
		return append(b, s.path...), nil
	}
	if way := s.origin(); way != nil {
		return append(b, way...), nil
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(os.Getpid()))
	return binary.LittleEndian.AppendUint32(b, uint32(s.fd)), nil
}

// Unmarshal opens the object that a handle names, which must be of this kind and
// type. The size is not compared.
//
// Errors: [ErrFormat] when b is no handle, [ErrRemoved] when the segment or object
// is gone, those of [Segment.Open].
func Unmarshal(b []byte, kind Kind, typ string) (*Object, error) {
	if len(b) < handleBytes || b[0] != handleVersion || b[1] > handleNamed|handleReadOnly {
		return nil, fmt.Errorf("handle of %d bytes: %w", len(b), directory.FormatError("is not a handle of this version"))
	}
	s, err := locate(way{directory.Identity(b[2:18]), b[1]&handleNamed != 0, b[1]&handleReadOnly != 0, b[handleBytes:]})
	if err != nil {
		return nil, err
	}
	defer s.unpin()
	o, err := s.openAt(place{binary.LittleEndian.Uint32(b[18:]), binary.LittleEndian.Uint64(b[22:])})
	if err != nil {
		return nil, err
	}
	if err := o.usable(Spec{Name: o.Name, Kind: kind, Type: typ, Size: AnySize}); err != nil {
		o.Release()
		return nil, err
	}
	return o, nil
}

// openAt opens the object at a place, unless it was removed.
func (s *Segment) openAt(p place) (*Object, error) {
	if p.index >= s.dir.UsedEntries() {
		return nil, s.dir.Concluded(fmt.Errorf("%s: %w", s.path, directory.FormatError("a handle names an impossible object")))
	}
	o, err := s.openPlace(p)
	if err == nil && o == nil {
		err = (&Object{Seg: s, place: p}).removed()
	}
	return o, err
}

// reachable is an error when handles do not lead to the object any more.
func (o *Object) reachable() error {
	s := o.Seg
	state := s.dir.Entry(o.index).State.Load()
	switch {
	case o.closer.Closed() || s.Closed():
		return s.dir.ClosedError()
	case o.canOpen(state):
		return nil
	case o.unnamed && state>>directory.SerialShift == o.serial && state&directory.StateMask == directory.StateRemoved:
		return nil // this process has it open: a reclaim is about to find that out
	}
	return o.removed()
}

// Alive is an error when this process has left the object, or its name does not lead to it any
// more.
//
// Errors: [ErrRemoved], [lock.ErrClosed].
func (o *Object) Alive() error { return o.reachable() }

func (o *Object) removed() error {
	return o.Seg.dir.Concluded(fmt.Errorf("%s: object %q (number %d) %w: make a new one", o.Seg.path, o.Name, o.serial, ErrRemoved))
}

// The segments that this process has attached, in the order of attaching.
var (
	attachedMu sync.Mutex
	attached   []*Segment
)

func register(s *Segment) {
	attachedMu.Lock()
	defer attachedMu.Unlock()
	attached = append(attached, s)
}

func unregister(s *Segment) {
	attachedMu.Lock()
	defer attachedMu.Unlock()
	// Delete clears what it cuts off: nothing here may keep a closed segment mapped.
	attached = slices.DeleteFunc(attached, func(t *Segment) bool { return t == s })
}

// locating makes sure that goroutines which need the same segment attach it once.
var locating sync.Mutex

// A way is how a handle says to reach its segment.
type way struct {
	id       directory.Identity
	named    bool
	readOnly bool
	by       []byte // the path, or the process and descriptor
}

// locate finds the attachment of the segment with this identity, and makes one when there is none.
// One for reading is another than one for writing. It is pinned: the caller unpins it.
func locate(w way) (*Segment, error) {
	locating.Lock()
	defer locating.Unlock()
	if s := attachedAs(w.id, w.readOnly); s != nil {
		return s, nil
	}
	s, err := follow(w)
	if err != nil {
		return nil, err
	}
	if s.id != w.id {
		s.Close()
		return nil, fmt.Errorf("%s: %w: another segment has its place", s.path, ErrRemoved)
	}
	attachedMu.Lock()
	defer attachedMu.Unlock()
	s.pins++
	s.auto.Store(true)
	if !w.named {
		s.way = bytes.Clone(w.by)
	}
	return s, nil
}

// unpin ends what locate has begun.
func (s *Segment) unpin() {
	attachedMu.Lock()
	s.pins--
	attachedMu.Unlock()
	s.closeIdle()
}

// Attachments that were made for the sake of handles and have become idle while a call of HoldIdle
// holds them.
var (
	holdsIdle atomic.Int32
	hasIdle   atomic.Bool
)

// HoldIdle lets attachments that were made for the sake of handles stay when nothing of them is in
// use any more, for handles that are about to come, until CloseIdle closes them. Each call is
// undone by one of release.
func HoldIdle() (release func()) {
	holdsIdle.Add(1)
	return func() {
		holdsIdle.Add(-1)
		CloseIdle()
	}
}

// CloseIdle closes what HoldIdle has let stay, if it is idle still. It costs nothing when there is
// nothing to do.
func CloseIdle() {
	if !hasIdle.Load() {
		return
	}
	hasIdle.Store(false)
	attachedMu.Lock()
	all := slices.Clone(attached)
	attachedMu.Unlock()
	for _, s := range all {
		s.closeUnused()
	}
}

// HasIdle reports whether CloseIdle may have something to do.
func HasIdle() bool { return hasIdle.Load() }

// Own makes the program see to the end of this attachment: it is not closed when its last object is
// released.
func (s *Segment) Own() {
	attachedMu.Lock()
	defer attachedMu.Unlock()
	s.auto.Store(false)
}

// origin is the way by which an anonymous segment was found for the sake of a handle; nil when the
// program sees to the end of its attachment. It leads further than this process's own, which may
// end with that handle.
func (s *Segment) origin() []byte {
	attachedMu.Lock()
	defer attachedMu.Unlock()
	if !s.auto.Load() {
		return nil
	}
	return s.way
}

// closeIdle closes an attachment that was made for the sake of a handle, when nothing of it is in
// use any more.
func (s *Segment) closeIdle() {
	if !s.auto.Load() {
		return
	}
	if holdsIdle.Load() > 0 {
		hasIdle.Store(true)
		return
	}
	s.closeUnused()
}

func (s *Segment) closeUnused() {
	attachedMu.Lock()
	idle := s.auto.Load() && s.pins == 0 && s.unused()
	if idle {
		// no handle finds it from here on
		attached = slices.DeleteFunc(attached, func(t *Segment) bool { return t == s })
	}
	attachedMu.Unlock()
	if idle {
		s.Close()
	}
}

// unused reports whether this process has no object of the segment open.
func (s *Segment) unused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.objects.entries) == 0
}

func attachedAs(id directory.Identity, readOnly bool) *Segment {
	attachedMu.Lock()
	defer attachedMu.Unlock()
	for _, s := range attached {
		if s.id == id && s.ReadOnly() == readOnly && !s.Closed() {
			s.pins++
			return s
		}
	}
	return nil
}

// follow opens what a handle leads to.
func follow(w way) (*Segment, error) {
	openPath, openOther, take := Open, mapping.OpenOther, adopt
	if w.readOnly {
		openPath, openOther, take = OpenReadOnly, mapping.OpenOtherToRead, adoptReadOnly
	}
	if w.named {
		if len(w.by) > 0 && !filepath.IsAbs(string(w.by)) || bytes.IndexByte(w.by, 0) >= 0 {
			return nil, directory.FormatError("is not a handle: its path is %.100q", w.by)
		}
		s, err := openPath(string(w.by))
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w: the segment of the handle %w", err, ErrRemoved)
			}
			return nil, err
		}
		return s, nil
	}
	if len(w.by) != 8 {
		return nil, directory.FormatError("is not a handle of this version")
	}
	pid, fd := binary.LittleEndian.Uint32(w.by), binary.LittleEndian.Uint32(w.by[4:])
	f, err := openOther(int(pid), int(fd))
	if err != nil {
		return nil, fmt.Errorf("anonymous segment %v: process %d, which wrote the handle, no longer has it, or may not be looked into; "+
			"pass the segment's file on instead: %w: %w", w.id, pid, ErrRemoved, err)
	}
	return take(context.Background(), f, f.Name(), false)
}
