package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// A handle in a message is the identity of the segment, the entry and the serial
// number of the object, and the path. Whoever has the segment attached under
// whatever name finds it by its identity; others open it by its path.
//
//	off  size  field
//	  0     1  handleVersion
//	  1     1  1: the segment has a path; 0: it is anonymous
//	  2    16  identity
//	 18     4  entry, little-endian
//	 22     8  serial, little-endian
//	 30        path
const (
	handleVersion = 1
	handleBytes   = 30
)

// Marshal writes down where the object is, for another process of this machine.
//
// Errors: [ErrRemoved] when others could not find the segment, [lock.ErrClosed].
func (o *Object) Marshal() ([]byte, error) {
	s := o.Seg
	if s.Closed() {
		return nil, s.closed()
	}
	if err := s.CheckNamed(); err != nil {
		return nil, err
	}
	b := make([]byte, handleBytes, handleBytes+len(s.path))
	b[0] = handleVersion
	copy(b[2:18], s.id[:])
	binary.LittleEndian.PutUint32(b[18:], o.index)
	binary.LittleEndian.PutUint64(b[22:], o.serial)
	if s.named {
		b[1] = 1
		b = append(b, s.path...)
	}
	return b, nil
}

// Unmarshal opens the object that a handle names, which must be of this kind and
// type. The size is not compared.
//
// Errors: [ErrFormat] when b is no handle, [ErrRemoved] when the segment or object
// is gone, those of [Segment.Open].
func Unmarshal(b []byte, kind Kind, typ string) (*Object, error) {
	if len(b) < handleBytes || b[0] != handleVersion || b[1] > 1 {
		return nil, fmt.Errorf("handle of %d bytes: %w", len(b), formatError("is not a handle of this version"))
	}
	s, err := locate(Identity(b[2:18]), b[1] == 1, string(b[handleBytes:]))
	if err != nil {
		return nil, err
	}
	i, serial := binary.LittleEndian.Uint32(b[18:]), binary.LittleEndian.Uint64(b[22:])
	if i >= s.geo.maxObjects {
		return nil, fmt.Errorf("%s: %w", s.path, formatError("a handle names an impossible object"))
	}
	state := s.entry(i).state.Load()
	if state != serial<<serialShift|stateLive {
		return nil, fmt.Errorf("%s: the object of the handle was removed: %w", s.path, ErrRemoved)
	}
	o, err := s.open(i, state)
	if err == nil && o == nil {
		err = fmt.Errorf("%s: the object of the handle was removed: %w", s.path, ErrRemoved)
	}
	if err != nil {
		return nil, err
	}
	if err := o.matches(Spec{Name: o.Name, Kind: kind, Type: typ, Size: AnySize}); err != nil {
		return nil, err
	}
	return o, nil
}

// The segments that this process has attached, in the order of attaching.
var (
	attachedMu sync.Mutex
	attached   []*Segment
)

func enroll(s *Segment) {
	attachedMu.Lock()
	defer attachedMu.Unlock()
	attached = append(attached, s)
}

func dismiss(s *Segment) {
	attachedMu.Lock()
	defer attachedMu.Unlock()
	for i, t := range attached {
		if t == s {
			attached = append(attached[:i:i], attached[i+1:]...)
			return
		}
	}
}

// locate finds the attachment of the segment with this identity, and makes one when there is none.
func locate(id Identity, named bool, path string) (*Segment, error) {
	attachedMu.Lock()
	for _, s := range attached {
		if s.id == id && !s.Closed() {
			attachedMu.Unlock()
			return s, nil
		}
	}
	attachedMu.Unlock()
	if !named {
		return nil, fmt.Errorf("anonymous segment %v: this process does not have it: pass its file on and open that first", id)
	}
	s, err := Open(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrRemoved), err)
	}
	if s.id != id {
		s.Close()
		return nil, fmt.Errorf("%s: %w: another segment has its name", path, ErrRemoved)
	}
	return s, nil
}
