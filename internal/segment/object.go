package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/wait"
)

// An Object is one process's view of a named object: all its handles share it.
type Object struct {
	Seg     *Segment
	Name    string // or what errors call it, see GivenName
	Kind    Kind
	Type    string
	Payload []byte // in the segment

	place
	unnamed bool
	layout  uint32 // the version of the payload
	start   uint64 // offset of the payload in the segment
	// the process's, with a Closer of the object's own, or one that refuses; keeps the memory
	// mapped
	party  *lock.Party
	closer *wait.Closer // closed when this process leaves the object
	there  Presence
	blank  bool // see Blank
	// this process only reads
	readOnly bool
	local    localState
	left     func(payload io.ReaderAt) // see WhenLeft; guarded by Seg.mu

	standIn sync.Once
	shadow  *Object // see Writable

	handles int // handles made and not yet released; guarded by Seg.mu
}

// Party is this process's attachment to the object, for its locks.
func (o *Object) Party() *lock.Party { return o.party }

// Closed reports whether this process has closed the segment or released the object; or, where it
// only reads, whether the object was removed. Gone says which.
func (o *Object) Closed() bool { return o.there.word.Load() != o.there.want }

// Damaged is the error for a payload that cannot be what its kind needs. When this process has left
// the object, what it has seen may have been memory of its own: that says nothing about the object.
func (o *Object) Damaged(what string) error {
	if o.Closed() {
		return fmt.Errorf("%s: %w", o.Seg.path, o.Gone())
	}
	return fmt.Errorf("%v %q of %s: %w: %s: remove it and make it anew", o.Kind, o.Name, o.Seg.Path(), ErrCorrupt, what)
}

// A place is where an object is: no other object of the segment ever has the same.
type place struct {
	index  uint32 // index of the entry
	serial uint64
}

// New finds the object or makes it. One without a name is always made.
//
// Errors: [ErrMismatch], [ErrTooManyObjects], a [*mapping.NoSpaceError], [ErrRemoved],
// [ErrCorrupt], [lock.ErrClosed], [fs.ErrInvalid].
func (s *Segment) New(spec Spec) (o *Object, created bool, err error) {
	return s.NewContext(context.Background(), spec)
}

// NewContext is [Segment.New] that waits for the directory until ctx ends.
func (s *Segment) NewContext(ctx context.Context, spec Spec) (o *Object, created bool, err error) {
	if s == nil {
		return nil, false, errNil
	}
	if spec.Size < 0 {
		return nil, false, Invalid("%s: object %q: size %d bytes: must not be negative", s.path, spec.Name, spec.Size)
	}
	if spec.Name == "" {
		o, err = s.newUnnamed(ctx, spec)
		return o, err == nil, err
	}
	for range mostRounds {
		o, err = s.OpenContext(ctx, spec)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return o, created, err
		}
		if s.ReadOnly() {
			return nil, false, fmt.Errorf("%w, which a process cannot do that only reads: %w", err, fs.ErrPermission)
		}
		if err := s.CheckNamed(); err != nil {
			return nil, false, err
		}
		if created, err = s.create(ctx, spec); err != nil {
			return nil, false, err
		}
	}
	return nil, false, s.dir.Corrupt("an object comes and goes whenever it is looked for")
}

// mostRounds bounds the loops of looks at the directory that end when no other process changes it
// between two steps of theirs: one that overwrites it could do so each time.
const mostRounds = 10000

// create makes the object, and reports false when another process has made it meanwhile.
func (s *Segment) create(ctx context.Context, spec Spec) (created bool, err error) {
	err = s.withRoom(ctx, func() error {
		_, state, err := s.dir.Search(spec.Name)
		if err != nil || state != 0 {
			return err
		}
		err = s.dir.BuildNamed(spec.record())
		created = err == nil
		return err
	})
	return created, err
}

// Open finds the object, which must exist.
//
// Errors: [fs.ErrNotExist], [ErrMismatch], [ErrCorrupt], [lock.ErrClosed], [fs.ErrInvalid].
func (s *Segment) Open(spec Spec) (*Object, error) {
	return s.OpenContext(context.Background(), spec)
}

// OpenContext is [Segment.Open] that waits for the directory until ctx ends.
func (s *Segment) OpenContext(ctx context.Context, spec Spec) (*Object, error) {
	if s == nil {
		return nil, errNil
	}
	if err := s.checkName(spec); err != nil {
		return nil, err
	}
	for range mostRounds {
		if s.Closed() {
			return nil, s.dir.ClosedError()
		}
		i, state, err := s.find(ctx, spec.Name)
		if err != nil {
			return nil, err
		}
		o, err := s.open(i, state)
		if err == nil && o == nil {
			continue // removed at this moment
		}
		if err == nil {
			if err = o.usable(spec); err != nil {
				o.Release()
			}
		}
		if err != nil {
			return nil, err
		}
		return o, nil
	}
	return nil, s.dir.Corrupt("an object is removed whenever it is opened")
}

// find returns the entry of the object with this name, and its state wors. It
// takes no lock unless it finds nothing while chains are being taken apart.
func (s *Segment) find(ctx context.Context, name string) (i uint32, state uint64, err error) {
	h := s.dir.Header()
	// SYNC: changes: a process that takes a chain apart makes the counter odd before, and even
	// after. When it is even and has not moved, this walk was not led astray.
	changes := h.Changes.Load()
	i, state, err = s.dir.Search(name)
	astray := state == 0 && (err != nil || changes%2 != 0 || h.Changes.Load() != changes)
	switch {
	case astray && s.ReadOnly():
		i, state = s.dir.Scan(name)
		err = nil
	case astray:
		err = s.lockedUnder(ctx, func() (err error) {
			i, state, err = s.dir.Search(name)
			return err
		})
	}
	if err == nil && state == 0 {
		err = s.notFound(name)
	}
	return i, state, err
}

// open returns the process's view of the object at entry i, for one more handle; nil when it is not
// there any more.
func (s *Segment) open(i uint32, state uint64) (*Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Closed() {
		return nil, s.dir.ClosedError()
	}
	serial := state >> directory.SerialShift
	if o := s.objects.get(place{i, serial}); o != nil {
		o.handles++
		return o, nil
	}
	if s.ReadOnly() {
		o, err := s.look(i, state)
		if o == nil {
			return nil, err
		}
		return s.opened(o), nil
	}
	if !s.use(i, state) {
		return nil, nil
	}
	o, err := s.view(i, serial)
	if err != nil {
		if !s.objects.uses(i) {
			s.leave(i)
		}
		return nil, err
	}
	s.listen()
	return s.opened(o), nil
}

// opened enters a view for its first handle. The caller holds s.mu.
func (s *Segment) opened(o *Object) *Object {
	o.handles = 1
	s.objects.put(o)
	runtime.AddCleanup(o, s.dropped, o.place)
	return o
}

// view reads the entry of an object that this process holds in use.
func (s *Segment) view(i uint32, serial uint64) (*Object, error) {
	f, err := s.dir.Read(i)
	if err != nil {
		return nil, err
	}
	called := f.Name
	if called == "" {
		called = label(serial)
	}
	closer := wait.NewCloser()
	return &Object{
		Seg:     s,
		Name:    called,
		unnamed: f.Name == "",
		Kind:    Kind(f.Kind),
		layout:  f.Layout,
		Type:    f.Type,
		Payload: s.mem[f.Start:f.End:f.End],
		place:   place{i, serial},
		start:   f.Start,
		party:   &lock.Party{Member: s.party.Member, Closer: closer, Keep: s.party.Keep, Waits: s.party.Waits},
		closer:  closer,
		there:   Presence{word: closer.Gone()},
	}, nil
}

// Remove frees the object's name at once, and its memory when no process has it open any more.
//
// Errors: [fs.ErrNotExist], [ErrCorrupt], [lock.ErrClosed], [fs.ErrInvalid].
func (s *Segment) Remove(name string) error { return s.RemoveContext(context.Background(), name) }

// RemoveContext is [Segment.Remove] that waits for the directory until ctx ends.
func (s *Segment) RemoveContext(ctx context.Context, name string) error {
	if err := s.checkName(Spec{Name: name}); err != nil {
		return err
	}
	err := s.lockedUnder(ctx, func() error {
		i, state, err := s.dir.Search(name)
		if err != nil {
			return err
		}
		if state == 0 {
			return s.notFound(name)
		}
		if err := s.dir.Unname(i, state, directory.HashOf(name)); err != nil {
			return err
		}
		return s.dir.Reclaim(directory.ReclaimFew)
	})
	if err == nil && s.dir.Header().Retired.Load() > 0 {
		s.announce()
	}
	runtime.KeepAlive(s)
	return err
}
