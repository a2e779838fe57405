package segment

import (
	"fmt"
	"strings"

	"github.com/shmkit/shmkit/internal/elem"
)

// AnySize is a Spec.Size that accepts what is there.
const AnySize = -1

// A Spec says what object is wanted.
type Spec struct {
	Name string
	Kind Kind
	Type string // descriptor of the element type; empty: has none
	Size int64  // of the payload, in bytes; AnySize when only opening

	// Init fills the payload of a new object, which is zero, before anybody sees it.
	// It runs under the segment's lock, and again if it has run in vain. May be nil.
	Init func(payload []byte)
}

// matches compares what is there with what is wanted.
func (o *Object) matches(spec Spec) error {
	difference := ""
	switch have := int64(len(o.Payload)); {
	case o.Kind != spec.Kind:
		difference = fmt.Sprintf("its kind is %v, not %v", o.Kind, spec.Kind)
	case o.Type != spec.Type && elem.Diff(o.Type, spec.Type) != "":
		difference = elem.Diff(o.Type, spec.Type)
	case spec.Size != AnySize && have != spec.Size:
		return &MismatchError{
			Segment: o.Seg.path, Name: spec.Name, SizeDiffers: true, Have: have,
			Difference: fmt.Sprintf("it has %d bytes, not %d", have, spec.Size),
		}
	default:
		return nil
	}
	return &MismatchError{Segment: o.Seg.path, Name: spec.Name, Difference: difference}
}

// checkName says what makes a Spec impossible.
func (s *Segment) checkName(spec Spec) error {
	name := spec.Name
	switch {
	case name == "":
		return Invalid("%s: the name of an object must not be empty", s.path)
	case len(name) > maxNameBytes:
		return Invalid("%s: object name %.20q…: has %d bytes, at most %d are allowed", s.path, name, len(name), maxNameBytes)
	case strings.ContainsAny(name, "\x00/"):
		return Invalid("%s: object name %q: must not contain a NUL or a slash", s.path, name)
	case len(spec.Type) > elem.MaxFormat:
		return Invalid("%s: object %q: the description of its type has %d bytes, at most %d are allowed", s.path, name, len(spec.Type), elem.MaxFormat)
	}
	return nil
}
