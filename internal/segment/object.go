package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/lock"
)

// AnySize is a Spec.Size that accepts what is there.
const AnySize = -1

// A Spec says what object is wanted.
type Spec struct {
	Name string
	Kind Kind
	Type string // descriptor of the element type; empty: has none
	Size int64  // of the payload, in bytes; AnySize when only opening

	// Init fills the payload of a new object, which is zero, before anybody sees it. May be nil.
	Init func(payload []byte)
}

// An Object is one process's view of a named object: all its handles share it.
type Object struct {
	Seg     *Segment
	Name    string
	Kind    Kind
	Type    string
	Payload []byte // in the segment

	index  uint32
	serial uint64
	party  *lock.Party // keeps the memory mapped
	local  localState
}

// New finds the object or makes it.
//
// Errors: [ErrMismatch], [ErrTooManyObjects], a [*mapping.NoSpaceError], [ErrRemoved], [ErrCorrupt], [lock.ErrClosed].
func (s *Segment) New(spec Spec) (o *Object, created bool, err error) {
	if err := checkName(spec.Name); err != nil {
		return nil, false, fmt.Errorf("%s: %w", s.path, err)
	}
	if spec.Size < 0 {
		return nil, false, fmt.Errorf("%s: object %q: size %d bytes: must not be negative", s.path, spec.Name, spec.Size)
	}
	for {
		o, err = s.Open(spec)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return o, created, err
		}
		if err := s.CheckNamed(); err != nil {
			return nil, false, err
		}
		if created, err = s.create(spec); err != nil {
			return nil, false, err
		}
	}
}

// create makes the object, and reports false when somebody else has made it meanwhile.
func (s *Segment) create(spec Spec) (created bool, err error) {
	err = s.locked(func() error {
		_, state, err := s.search(spec.Name, hashOf(spec.Name))
		if err != nil || state != 0 {
			return err
		}
		if err := s.sweep(); err != nil {
			return err
		}
		created = true
		return s.build(spec)
	})
	return created && err == nil, err
}

// build makes the object, under the lock.
//
// What a death leaves behind, for rebuild: a block whose entry is free, which is
// freed; or, after the entry is live, an object that is only not yet in its chain.
func (s *Segment) build(spec Spec) error {
	i, err := s.takeEntry()
	if err != nil {
		return err
	}
	head := roundUp(uint64(blockHeaderBytes+len(spec.Name)+len(spec.Type)), lineBytes)
	off, err := s.alloc(head-blockHeaderBytes+uint64(spec.Size), uint64(i)+1)
	if err != nil {
		s.freeEntryAt(i)
		return fmt.Errorf("object %q: %w", spec.Name, err)
	}
	n := copy(s.mem[off+blockHeaderBytes:], spec.Name)
	copy(s.mem[off+blockHeaderBytes+uint64(n):], spec.Type)
	if spec.Init != nil {
		start := off + head
		spec.Init(s.mem[start : start+uint64(spec.Size) : start+uint64(spec.Size)])
	}
	crashpoint.Here("object.filled")
	e := s.entry(i)
	e.hash, e.kind = hashOf(spec.Name), uint32(spec.Kind)
	e.nameBytes, e.typeBytes = uint32(len(spec.Name)), uint32(len(spec.Type))
	e.block, e.size, e.payload = off, uint64(spec.Size), uint32(head)
	crashpoint.Here("object.entered")
	s.publish(i)
	return nil
}

// Open finds the object, which must exist.
//
// Errors: [fs.ErrNotExist], [ErrMismatch], [ErrCorrupt], [lock.ErrClosed].
func (s *Segment) Open(spec Spec) (*Object, error) {
	if err := checkName(spec.Name); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	for {
		if s.Closed() {
			return nil, s.closed()
		}
		i, state, err := s.find(spec.Name)
		if err != nil {
			return nil, err
		}
		o, err := s.open(i, state)
		if err == nil && o == nil {
			continue // removed at this moment
		}
		if err == nil {
			err = o.matches(spec)
		}
		if err != nil {
			return nil, err
		}
		return o, nil
	}
}

// open returns the process's view of the object at entry i; nil when it is not there any more.
func (s *Segment) open(i uint32, state uint64) (*Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Closed() {
		return nil, s.closed()
	}
	serial := state >> serialShift
	if o := s.objects.get(serial); o != nil {
		return o, nil
	}
	if !s.use(i, state) {
		return nil, nil
	}
	o, err := s.view(i, serial)
	if err != nil {
		s.leave(i)
		return nil, err
	}
	s.objects.put(s, o)
	return o, nil
}

// view reads the entry of an object that this process holds in use.
func (s *Segment) view(i uint32, serial uint64) (*Object, error) {
	e := s.entry(i)
	off, size, payload := e.block, e.size, uint64(e.payload)
	name, typ := uint64(e.nameBytes), uint64(e.typeBytes)
	if off < s.geo.heap || off > s.geo.size || payload > s.geo.size-off || size > s.geo.size-off-payload ||
		payload%lineBytes != 0 || off%lineBytes != 0 || blockHeaderBytes+name+typ > payload {
		return nil, s.corrupt("an entry of the directory makes no sense")
	}
	text := off + blockHeaderBytes
	start, end := off+payload, off+payload+size
	return &Object{
		Seg:     s,
		Name:    string(s.mem[text : text+name]),
		Kind:    Kind(e.kind),
		Type:    string(s.mem[text+name : text+name+typ]),
		Payload: s.mem[start:end:end],
		index:   i,
		serial:  serial,
		party:   s.party,
	}, nil
}

// matches compares what is there with what is wanted.
func (o *Object) matches(spec Spec) error {
	difference, have := "", 0
	switch {
	case o.Kind != spec.Kind:
		difference = fmt.Sprintf("it is a %v, not a %v", o.Kind, spec.Kind)
	case o.Type != spec.Type:
		difference = elem.Diff(o.Type, spec.Type)
	case spec.Size != AnySize && int64(len(o.Payload)) != spec.Size:
		have = len(o.Payload)
		difference = fmt.Sprintf("it has %d bytes, not %d", have, spec.Size)
	}
	if difference == "" {
		return nil
	}
	return &MismatchError{Segment: o.Seg.path, Name: spec.Name, Difference: difference, Have: int64(have)}
}

// Remove frees the object's name at once, and its memory when no process has it open any more.
//
// Errors: [fs.ErrNotExist], [ErrCorrupt], [lock.ErrClosed].
func (s *Segment) Remove(name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return s.locked(func() error {
		i, state, err := s.search(name, hashOf(name))
		if err != nil {
			return err
		}
		if state == 0 {
			return s.notFound(name)
		}
		h := headerIn(s.mem)
		h.changes.Add(1)
		defer h.changes.Add(1)
		s.entry(i).state.Store(state&^stateMask | stateRemoved) // with this the name is free
		crashpoint.Here("object.removed")
		if err := s.unchain(i); err != nil {
			return err
		}
		h.live.Add(^uint32(0))
		h.graves.Add(1)
		crashpoint.Here("object.buried")
		return s.sweep()
	})
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name of an object must not be empty")
	case len(name) > maxNameBytes:
		return fmt.Errorf("object name %.20q…: has %d bytes, at most %d are allowed", name, len(name), maxNameBytes)
	case strings.ContainsAny(name, "\x00/"):
		return fmt.Errorf("object name %q: must not contain a NUL or a slash", name)
	}
	return nil
}
