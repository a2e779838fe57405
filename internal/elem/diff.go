package elem

import (
	"fmt"
	"slices"
)

// Diff says in words where two format strings first differ: have, which was found in a segment, and
// want, the format of the type that a program opens it with. It returns "" if they describe the
// same bytes, even when they are written differently. Both may hold anything, see [Parse].
//
//	field Y: float64 in the segment, int64 here
//	field Pos.Z: missing in the segment
//	element: int32 in the segment, int64 here
func Diff(have, want string) string {
	h, err := Parse(have)
	if err != nil {
		return fmt.Sprintf("description in the segment is damaged: %v", err)
	}
	w, err := Parse(want)
	if err != nil {
		return fmt.Sprintf("description here is damaged: %v", err)
	}
	d := diffLayout(h, w)
	switch {
	case d == nil:
		return ""
	case d.path == "":
		return "element: " + d.what
	default:
		return "field " + d.path + ": " + d.what
	}
}

// difference is the first place at which two layouts differ. A nil *difference means that they do
// not.
type difference struct {
	path string // of the field, "" for the layouts themselves
	what string
}

func differ(path, format string, args ...any) *difference {
	return &difference{path: path, what: fmt.Sprintf(format, args...)}
}

// diffLayout compares two types: first their names, then the fields of structs, then their sizes,
// which can differ by padding at the end.
func diffLayout(have, want *Layout) *difference {
	if have.Code != want.Code || have.BigEndian != want.BigEndian || !slices.Equal(have.Dims, want.Dims) {
		return differ("", "%s in the segment, %s here", have.goName(), want.goName())
	}
	for i := range max(len(have.Fields), len(want.Fields)) {
		if i == len(want.Fields) {
			return onlyInSegment(&have.Fields[i])
		}
		if i == len(have.Fields) {
			return missing(&want.Fields[i])
		}
		h, w := &have.Fields[i], &want.Fields[i]
		if h.Name != w.Name {
			return diffNames(have.Fields[i:], want.Fields[i:])
		}
		if d := diffLayout(&h.Layout, &w.Layout); d != nil {
			d.path = join(w.Name, d.path)
			return d
		}
		if h.Offset != w.Offset {
			return moved(h, w)
		}
	}
	if have.Unit != want.Unit {
		return differ("", "%s of %d bytes in the segment, of %d bytes here", unitName(want), have.Unit, want.Unit)
	}
	return nil
}

// diffNames describes the difference between the fields of two structs, from an index on at which
// their names differ.
func diffNames(have, want []Field) *difference {
	h, w := &have[0], &want[0]
	inWant := find(want, h.Name)
	inHave := find(have, w.Name)
	switch {
	case inHave == nil && inWant == nil && h.Offset == w.Offset && diffLayout(&h.Layout, &w.Layout) == nil:
		return differ(w.Name, "named %s in the segment", h.Name)
	case inHave == nil:
		return missing(w)
	case inWant == nil:
		return onlyInSegment(h)
	case inHave.Offset != w.Offset:
		return moved(inHave, w)
	default:
		// The two have changed places and w has not moved, so h has.
		return moved(h, inWant)
	}
}

func missing(w *Field) *difference       { return differ(w.Name, "missing in the segment") }
func onlyInSegment(h *Field) *difference { return differ(h.Name, "only in the segment") }

func moved(h, w *Field) *difference {
	return differ(w.Name, "at byte %d in the segment, at byte %d here", h.Offset, w.Offset)
}

func find(fields []Field, name string) *Field {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

// unitName returns the name of the number or struct that has the size Unit.
func unitName(l *Layout) string {
	if len(l.Dims) == 0 {
		return "struct"
	}
	return "array of structs"
}

func join(outer, inner string) string {
	if inner == "" {
		return outer
	}
	return outer + "." + inner
}
