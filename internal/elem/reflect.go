package elem

import (
	"reflect"
	"strings"
)

var codes = map[reflect.Kind]string{
	reflect.Bool: "?",
	reflect.Int8: "b", reflect.Uint8: "B",
	reflect.Int16: "h", reflect.Uint16: "H",
	reflect.Int32: "i", reflect.Uint32: "I",
	reflect.Int64: "q", reflect.Uint64: "Q",
	reflect.Float32: "f", reflect.Float64: "d",
	reflect.Complex64: "Zf", reflect.Complex128: "Zd",
}

// walk describes one type. It counts the fields it has seen: a few nested struct types can have
// more fields than memory holds.
type walk struct {
	fields int
	local  bool // for another process of the same binary: see OfSameBinary
}

// layoutOf returns the layout of t, or an error that says why t cannot be an element.
func layoutOf(t reflect.Type, local bool) (*Layout, error) {
	path := rootName(t)
	if uint64(t.Size()) > MaxSize {
		return nil, &UnsupportedTypeError{Type: t, Path: path, Reason: tooLarge}
	}
	l, err := (&walk{local: local}).layout(t, path, 0)
	if err != nil {
		return nil, err
	}
	return &l, nil
}

// layout describes t, found at path inside the element, within depth structs.
func (w *walk) layout(t reflect.Type, path string, depth int) (Layout, *UnsupportedTypeError) {
	var l Layout
	if w.local && t.Size() == 0 {
		return l, nil // it has no bytes
	}
	whole := t
	for t.Kind() == reflect.Array && t.Len() > 0 {
		l.Dims = append(l.Dims, int64(t.Len()))
		t = t.Elem()
		path += "[]"
	}
	if reason := refusal(t); reason != "" && !(w.local && isWord(t)) {
		return l, &UnsupportedTypeError{Type: t, Path: path, Reason: reason}
	}
	l.Code = codes[t.Kind()]
	if isWord(t) {
		l.Code = codes[wordKind]
	}
	l.BigEndian = bigEndian
	l.Unit, l.Size = int64(t.Size()), int64(whole.Size())
	if l.Code != "" {
		return l, nil
	}
	if depth == MaxDepth {
		return l, &UnsupportedTypeError{Type: t, Path: path, Reason: tooDeep}
	}
	var err *UnsupportedTypeError
	l.BigEndian = false
	l.Fields, err = w.structFields(t, path, depth+1)
	return l, err
}

// isWord reports whether the width of t depends on the machine.
func isWord(t reflect.Type) bool { return t.Kind() == reflect.Int || t.Kind() == reflect.Uint }

// wordKind returns the kind of fixed width that stands for such a type where only the size counts.
var wordKind = map[int]reflect.Kind{4: reflect.Uint32, 8: reflect.Uint64}[wordBytes]

// structFields describes the fields of the struct t, without the blank ones.
func (w *walk) structFields(t reflect.Type, path string, depth int) ([]Field, *UnsupportedTypeError) {
	var fields []Field
	for f := range t.Fields() {
		// A blank field without bytes is an annotation, such as structs.HostLayout.
		if f.Name == "_" && f.Type.Size() == 0 {
			continue
		}
		if w.fields++; w.fields > MaxFormat {
			return nil, &UnsupportedTypeError{Type: t, Path: path, Reason: tooManyFields}
		}
		// A blank field with bytes is checked like any other: a pointer in it would still be
		// copied.
		l, err := w.layout(f.Type, path+"."+f.Name, depth)
		if err != nil {
			return nil, err
		}
		if f.Name != "_" {
			fields = append(fields, Field{Name: f.Name, Offset: int64(f.Offset), Layout: l})
		}
	}
	return fields, nil
}

// rootName is the name of the element type itself in the path of an error.
func rootName(t reflect.Type) string {
	name := t.Name()
	if i := strings.IndexByte(name, '['); i >= 0 {
		name = name[:i] // the type arguments of a generic type
	}
	if name != "" {
		return name
	}
	return t.Kind().String()
}
