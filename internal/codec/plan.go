package codec

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// A form is the way in which values of a type travel.
type form uint8

const (
	formBool form = iota
	formInt
	formUint
	formFloat
	formComplex
	formString
	formBytes     // slice of bytes
	formByteArray // array of bytes
	formSlice
	formArray
	formMap
	formStruct
	formPointer
	formAny
	formTime
	formSelf // the type has methods for it
)

// A plan is how values of one type travel. It is immutable once planOf has returned it.
type plan struct {
	typ       reflect.Type
	form      form
	self      selfForm // of formSelf
	elem, key *plan    // of the forms that have them
	fields    []field  // of formStruct
}

// A field is one that travels.
type field struct {
	name  string // its name in the encoded form
	index int    // its number in the struct
	plan  *plan
}

// nullable says that some values are encoded as null.
func (p *plan) nullable() bool {
	switch p.form {
	case formBytes, formSlice, formMap, formPointer, formAny:
		return true
	}
	return false
}

// A TypeError says why values of a type cannot travel.
type TypeError struct {
	Type   reflect.Type // that is refused
	Path   string       // where it is: "args.Inner[].Done"
	Reason string       // follows the path, or the type, in a sentence
}

// Error gives "args.Done: chan int works inside one process only: …", or "args.n is not exported
// …".
func (e *TypeError) Error() string { return e.Path + e.Reason }

// plans maps a reflect.Type to its *planned. Refusals are kept, too.
var plans sync.Map

type planned struct {
	plan *plan
	err  error
}

// planOf returns the plan of t. The first call for a type walks it; later ones are a lookup.
//
// Errors: a [*TypeError].
func planOf(t reflect.Type) (*plan, error) {
	if known, ok := plans.Load(t); ok {
		return known.(*planned).plan, known.(*planned).err
	}
	w := walk{plans: map[reflect.Type]*plan{}}
	p, err := w.plan(t, rootName(t))
	known, _ := plans.LoadOrStore(t, &planned{p, err})
	return known.(*planned).plan, known.(*planned).err
}

// walk makes the plan of one type, and of all that it contains.
type walk struct {
	plans map[reflect.Type]*plan // those that are being made, too: a type may contain itself
}

var (
	timeType = reflect.TypeFor[time.Time]()
	anyType  = reflect.TypeFor[any]()
)

func (w *walk) plan(t reflect.Type, path string) (*plan, error) {
	if p := w.plans[t]; p != nil {
		return p, nil
	}
	if reason := refusal(t); reason != "" {
		return nil, &TypeError{Type: t, Path: path, Reason: fmt.Sprintf(": %v %s", t, reason)}
	}
	p := &plan{typ: t, self: selfFormOf(t)}
	w.plans[t] = p
	if t != timeType && p.self != selfNone {
		p.form = formSelf
		return p, nil
	}
	return p, w.fill(p, path)
}

// fill completes the plan of a type that has no methods for it.
func (w *walk) fill(p *plan, path string) (err error) {
	t := p.typ
	switch t.Kind() {
	case reflect.Bool:
		p.form = formBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.form = formInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		p.form = formUint
	case reflect.Float32, reflect.Float64:
		p.form = formFloat
	case reflect.Complex64, reflect.Complex128:
		p.form = formComplex
	case reflect.String:
		p.form = formString
	case reflect.Interface:
		p.form = formAny
	case reflect.Pointer:
		p.form = formPointer
		p.elem, err = w.plan(t.Elem(), path)
	case reflect.Slice:
		p.form = formSlice
		if p.elem, err = w.plan(t.Elem(), path+"[]"); err == nil && p.elem.isByte() {
			p.form = formBytes
		}
	case reflect.Array:
		p.form = formArray
		if p.elem, err = w.plan(t.Elem(), path+"[]"); err == nil && p.elem.isByte() {
			p.form = formByteArray
		}
	case reflect.Map:
		p.form = formMap
		if p.key, err = w.plan(t.Key(), path+"[key]"); err == nil && hasPointer(t.Key()) {
			err = &TypeError{Type: t, Path: path + "[key]", Reason: fmt.Sprintf(": %v is or holds a pointer, which would be another one", t.Key())}
		}
		if err == nil {
			p.elem, err = w.plan(t.Elem(), path+"[]")
		}
	default:
		if p.form = formTime; t != timeType {
			p.form = formStruct
			err = w.structFields(p, path)
		}
	}
	return err
}

func (p *plan) isByte() bool { return p.form == formUint && p.typ.Kind() == reflect.Uint8 }

// hasPointer says that values of t are equal by a pointer in them. Those that write themselves know
// better.
func hasPointer(t reflect.Type) bool {
	switch {
	case t.Kind() == reflect.Pointer:
		return true
	case t == timeType || selfFormOf(t) != selfNone:
		return false
	case t.Kind() == reflect.Array:
		return hasPointer(t.Elem())
	case t.Kind() == reflect.Struct:
		for f := range t.Fields() {
			if hasPointer(f.Type) {
				return true
			}
		}
	}
	return false
}

// structFields finds the fields of a struct. Blank ones hold nothing.
func (w *walk) structFields(p *plan, path string) error {
	names := map[string]bool{}
	for i := range p.typ.NumField() {
		f := p.typ.Field(i)
		at := path + "." + f.Name
		if f.Name == "_" {
			continue
		}
		name, reason := wireName(f)
		if reason == "" && names[name] {
			reason = fmt.Sprintf(" has the same name in its tag as another field, %q: one would be lost", name)
		}
		if reason != "" {
			return &TypeError{Type: p.typ, Path: at, Reason: reason}
		}
		names[name] = true
		of, err := w.plan(f.Type, at)
		if err != nil {
			return err
		}
		if !f.IsExported() && of.form != formStruct {
			return &TypeError{Type: p.typ, Path: at, Reason: notExported}
		}
		p.fields = append(p.fields, field{name, i, of})
	}
	return hiddenField(p.typ, p.typ, nil, path)
}

// wireName is how a field is called on the wire: by its tag for cbor or json, or by its name.
// Options in the tag mean nothing: a field always travels.
func wireName(f reflect.StructField) (name, refused string) {
	if !f.IsExported() && !(f.Anonymous && f.Type.Kind() == reflect.Struct) {
		return "", notExported
	}
	for _, key := range []string{"cbor", "json"} {
		tag, ok := f.Tag.Lookup(key)
		if !ok {
			continue
		}
		if tag == "-" {
			return "", fmt.Sprintf(" has the tag %s:\"-\" and would be lost: take the tag or the field away", key)
		}
		if name, _, _ = strings.Cut(tag, ","); name != "" {
			return name, ""
		}
	}
	return f.Name, ""
}

// hiddenField refuses a field of an embedded struct that a field further out, or one beside it,
// hides. The embedded struct t lies at index in root.
func hiddenField(root, t reflect.Type, index []int, path string) error {
	const deepest = 16 // of pointers that embed each other
	for i := range t.NumField() {
		f, at := t.Field(i), append(index[:len(index):len(index)], i)
		if len(index) > 0 && f.Name != "_" {
			found, ok := root.FieldByName(f.Name)
			if !ok || len(found.Index) != len(at) {
				return &TypeError{Type: root, Path: path + "." + f.Name, Reason: " is hidden by another field of that name: give one of them another name"}
			}
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if f.Anonymous && inner.Kind() == reflect.Struct && inner != root && len(index) < deepest && selfFormOf(inner) == selfNone && inner != timeType {
			if err := hiddenField(root, inner, at, path+"."+f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
