package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/elem"
)

// AnySize is a Spec.Size that accepts what is there.
const AnySize = -1

// A Spec says what object is wanted.
type Spec struct {
	Name string // "" for a new object that handles alone lead to
	Kind Kind
	Type string // descriptor of the element type; empty: has none
	Size int64  // size of the payload in bytes; AnySize when only opening

	// Init fills the payload of a new object, which is zero, before any process sees it. It runs
	// under the segment's lock, and again when the first attempt ended without an object, as by a
	// death. May be nil.
	Init func(payload []byte)
}

// record is the object as the directory takes it.
func (s Spec) record() directory.Record {
	return directory.Record{
		Name: s.Name, Type: s.Type, Kind: uint32(s.Kind), Layout: s.Kind.Layout(), Size: s.Size, Init: s.Init,
	}
}

// usable is an error when the object is not what is wanted, or nothing of its kind can be done by a
// process that only reads.
func (o *Object) usable(spec Spec) error {
	if err := o.matches(spec); err != nil {
		return err
	}
	if o.Seg.ReadOnly() && !kinds[o.Kind].readable {
		return o.Refused()
	}
	return nil
}

// matches compares what is there with what is wanted.
func (o *Object) matches(spec Spec) error {
	difference := ""
	switch have := int64(len(o.Payload)); {
	case o.Kind != spec.Kind:
		difference = fmt.Sprintf("its kind is %v, not %v", o.Kind, spec.Kind)
	case !o.isReadable():
		return o.otherLayout()
	case o.typeDiff(spec.Type) != "":
		difference = o.typeDiff(spec.Type)
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

// typeDiff says how the type of what is there differs from the one that is wanted.
func (o *Object) typeDiff(want string) string {
	switch {
	case o.Type == want:
		return ""
	case o.Kind == KindDict || o.Kind == KindVar:
		return elem.DiffContainer(o.Type, want)
	}
	return elem.Diff(o.Type, want)
}

// isReadable reports whether this program knows what the bytes of the payload mean.
func (o *Object) isReadable() bool { return o.Kind.isKnown() && o.layout == o.Kind.Layout() }

// otherLayout says that another version of the toolkit has made the object.
func (o *Object) otherLayout() error {
	return fmt.Errorf("%s: object %q: %w", o.Seg.path, o.Name, directory.FormatError("its kind %v has layout %d there, this program "+
		"knows layout %d: use programs of one version, or remove it", o.Kind, o.layout, o.Kind.Layout()))
}

// checkName says what makes a Spec of an object with a name impossible.
func (s *Segment) checkName(spec Spec) error {
	if spec.Name == "" {
		// The error is both fs.ErrInvalid and fs.ErrNotExist. A caller that makes an object which
		// it cannot open takes it for a missing object, and makes one without a name.
		return directory.Described(fmt.Sprintf("%s: the name must not be empty: an object without a name is opened "+
			"by its handle alone", s.path), errors.Join(fs.ErrInvalid, fs.ErrNotExist))
	}
	return s.checkSpec(spec)
}

// checkSpec says what makes a Spec impossible.
func (s *Segment) checkSpec(spec Spec) error {
	name := spec.Name
	switch {
	case len(name) > directory.MaxNameBytes:
		return Invalid("%s: object name %.20q…: has %d bytes, at most %d are allowed", s.path, name, len(name), directory.MaxNameBytes)
	case strings.ContainsAny(name, "\x00/"):
		return Invalid("%s: object name %q: must not contain a NUL or a slash", s.path, name)
	case len(spec.Type) > elem.MaxFormat:
		return Invalid("%s: object %q: the description of its type has %d bytes, at most %d are allowed", s.path, name, len(spec.Type), elem.MaxFormat)
	}
	return nil
}
