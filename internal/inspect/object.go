package inspect

import (
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/segment"
)

// An Object is what was read of an object. Its fields are those of the tool's JSON.
type Object struct {
	Name    string `json:"name"`
	NameHex string `json:"nameHex,omitempty"` // its bytes, if they are no UTF-8
	// the name is made up: handles alone lead to it
	Unnamed  bool           `json:"unnamed,omitempty"`
	Removed  bool           `json:"removed,omitempty"` // its name is free again
	Kind     string         `json:"kind"`
	Type     string         `json:"type,omitempty"`   // of its elements, as PEP 3118 writes it
	GoType   string         `json:"goType,omitempty"` // the same, as Go writes it
	Layout   uint32         `json:"layout"`
	Serial   uint64         `json:"serial"`
	Bytes    uint64         `json:"payloadBytes"`
	Offset   uint64         `json:"payloadOffset"`
	OpenBy   []int          `json:"openBy"` // slots of the processes that have it open
	Facts    describe.Facts `json:"state,omitempty"`
	Value    any            `json:"value,omitempty"`
	Cut      bool           `json:"valueCut,omitempty"` // value is not all of it
	Moved    bool           `json:"changing,omitempty"` // it changed each time it was read
	Error    string         `json:"error,omitempty"`    // why it cannot be described
	Block    uint64         `json:"-"`                  // where its block begins; 0: not known
	RawValue any            `json:"-"`                  // Value as the describer made it
}

// entry reads entry i of the directory.
func (s *Segment) entry(i uint32) (segment.Entry, error) {
	h := &s.header
	if i >= h.UsedEntries {
		return segment.Entry{}, fmt.Errorf("entry %d of %d: %w", i, h.UsedEntries, fs.ErrNotExist)
	}
	mem := make([]byte, h.EntryBytes)
	if _, err := s.ReadAt(mem, int64(h.Entries)+int64(i)*int64(h.EntryBytes)); err != nil {
		return segment.Entry{}, err
	}
	return segment.ReadEntry(mem), nil
}

// text is the name and the type of an object.
func (s *Segment) text(e *segment.Entry) (name, typ string, err error) {
	if !e.IsSound(&s.header) {
		return "", "", fmt.Errorf("entry of the directory: %w", describe.ErrDamaged)
	}
	mem := make([]byte, e.NameBytes+e.TypeBytes)
	if _, err := s.ReadAt(mem, int64(e.Text())); err != nil {
		return "", "", err
	}
	return string(mem[:e.NameBytes]), string(mem[e.NameBytes:]), nil
}

// entriesAtOnce is how many bytes of entries are read at once, about.
const entriesAtOnce = 64 << 10

// entries yields the entries that have objects, in the order of the directory.
func (s *Segment) entries() iter.Seq2[segment.Entry, error] {
	return func(yield func(segment.Entry, error) bool) {
		h := &s.header
		size := int(h.EntryBytes)
		some := max(entriesAtOnce/size, 1)
		for i := 0; i < int(h.UsedEntries); i += some {
			mem := make([]byte, min(some, int(h.UsedEntries)-i)*size)
			if _, err := s.ReadAt(mem, int64(h.Entries)+int64(i)*int64(size)); err != nil {
				yield(segment.Entry{}, err)
				return
			}
			for ; len(mem) > 0; mem = mem[size:] {
				if e := segment.ReadEntry(mem[:size]); e.State != segment.EntryFree && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// All yields the objects, described as far as is wanted. An object that comes or goes meanwhile
// may be missed.
func (s *Segment) All(want describe.Want) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for e, err := range s.entries() {
			if err != nil {
				yield(Object{}, err)
				return
			}
			if o := s.object(&e, want); !yield(o, nil) {
				return
			}
		}
	}
}

// Object finds the object with a name, or the made-up one of an object without.
//
// Errors: [fs.ErrNotExist], those of the file.
func (s *Segment) Object(name string, want describe.Want) (Object, error) {
	for e, err := range s.entries() {
		if err != nil {
			return Object{}, err
		}
		if have, _, err := s.text(&e); err == nil && e.Name(have) == name && e.State != segment.EntryRemoved {
			return s.object(&e, want), nil
		}
	}
	return Object{}, fmt.Errorf("%s: there is no object %q: %w", s.Path, name, fs.ErrNotExist)
}

// object describes the object at an entry.
func (s *Segment) object(e *segment.Entry, want describe.Want) Object {
	o := Object{
		Unnamed: e.State == segment.EntryUnnamed, Removed: e.State == segment.EntryRemoved,
		Kind: e.Kind.String(), Layout: e.Layout, Serial: e.Serial, Bytes: e.Size, Offset: e.Start(), OpenBy: []int{},
	}
	for i := range s.processes {
		if p := &s.processes[i]; p.Living && e.HasOpen(p.Slot) {
			o.OpenBy = append(o.OpenBy, p.Slot)
		}
	}
	slices.Sort(o.OpenBy)
	name, typ, err := s.text(e)
	o.Name, o.Type = e.Name(name), typ
	o.NameHex = hexOf(o.Name)
	if err == nil {
		o.Block = e.Block
	}
	o.GoType = s.goType(typ)
	switch {
	case err != nil:
		o.Error = err.Error()
	case e.Layout != e.Kind.Layout():
		o.Error = fmt.Sprintf("its layout is %d, this program knows layout %d", e.Layout, e.Kind.Layout())
	default:
		s.describe(&o, e, want)
	}
	return o
}

func (s *Segment) describe(o *Object, e *segment.Entry, want describe.Want) {
	v := describe.NewView(s, e.Kind, o.Type, e.Start(), e.Size)
	v.Slots, v.Want = s.MaxProcesses, want
	v.Bound(s.budget)
	if err := v.Describe(); err != nil {
		o.Error = err.Error()
	}
	s.budget -= v.Used()
	o.Facts, o.Cut, o.Moved, o.RawValue = v.Facts, v.Cut, v.Moved, v.Value
	o.Value = describe.JSON(v.Value)
}

// mostTypes bounds how many types a Segment remembers.
const mostTypes = 256

// goType is [goType], remembered: many objects have the same type.
func (s *Segment) goType(description string) string {
	name, known := s.goTypes[description]
	if known {
		return name
	}
	name = goType(description)
	if s.goTypes == nil {
		s.goTypes = map[string]string{}
	}
	if len(s.goTypes) < mostTypes {
		s.goTypes[description] = name
	}
	return name
}

// goType is the description of an element type as Go writes it.
func goType(description string) string {
	key, value := elem.CutContainer(description)
	name := func(part string) string {
		switch part {
		case elem.StringName:
			return "string"
		case elem.BytesName:
			return "[]byte"
		case elem.CodecName:
			return "any"
		}
		if l, err := elem.Parse(part); err == nil {
			return l.GoType()
		}
		return ""
	}
	switch {
	case description == "":
		return ""
	case strings.HasPrefix(description, "map["):
		return "map[" + name(key) + "]" + name(value)
	}
	return name(value)
}
