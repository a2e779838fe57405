package codec

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"
)

// natural are the types that an any holds of an item without a name.
var natural = map[reflect.Type]bool{
	reflect.TypeFor[bool](): true, reflect.TypeFor[string](): true,
	reflect.TypeFor[int64](): true, reflect.TypeFor[float64](): true,
	reflect.TypeFor[[]byte](): true, reflect.TypeFor[[]any](): true, reflect.TypeFor[map[string]any](): true,
}

// dynamic writes what an any holds.
func (e *encoder) dynamic(v reflect.Value) error {
	t := v.Type()
	p, err := planOf(t)
	if err != nil {
		return fmt.Errorf("a %v in an interface: %w", t, err)
	}
	if natural[t] && !(p.nullable() && v.IsNil()) {
		return e.value(p, v)
	}
	name, err := nameOf(t)
	if err != nil {
		return err
	}
	e.b = appendHead(appendHead(e.b, majorTag, tagTyped), majorArray, 2)
	e.b = appendText(e.b, name)
	return e.value(p, v)
}

// names are the types that can be in an any: the basic ones, and all that some Check has walked.
var names = struct {
	sync.RWMutex
	types map[string]reflect.Type // nil: two types have this name
}{types: map[string]reflect.Type{}}

func init() {
	for _, t := range []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[string](), timeType, anyType,
		reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
		reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
		reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
		reflect.TypeFor[map[any]any](), reflect.TypeFor[time.Duration](),
	} {
		register(t)
	}
}

// register lets values of t be in an any.
func register(t reflect.Type) {
	name := fullName(t)
	names.Lock()
	defer names.Unlock()
	if known, ok := names.types[name]; ok && known != t {
		t = nil // as those of two functions may be called: neither is certain
	}
	names.types[name] = t
}

// fullName tells a type from those of the same name in other packages.
func fullName(t reflect.Type) string {
	if t.PkgPath() == "" {
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}

// maxWrapped is how many pointers, slices and maps may be around a type that has a name.
const maxWrapped = 4

// wrappers are how types are made of others, so that not each []T must be known.
var wrappers = []struct {
	prefix string
	wrap   func(reflect.Type) reflect.Type
}{
	{"*", reflect.PointerTo},
	{"[]", reflect.SliceOf},
	{"map[string]", func(t reflect.Type) reflect.Type { return reflect.MapOf(reflect.TypeFor[string](), t) }},
}

// nameOf is the name by which [typeNamed] finds a type again.
//
// Errors: it would not.
func nameOf(t reflect.Type) (string, error) {
	name, inner := "", t
	for range maxWrapped {
		if inner.Name() != "" {
			break
		}
		switch {
		case inner.Kind() == reflect.Pointer:
			name += "*"
		case inner.Kind() == reflect.Slice:
			name += "[]"
		case inner.Kind() == reflect.Map && inner.Key() == reflect.TypeFor[string]():
			name += "map[string]"
		default:
			return name + fullName(inner), known(t, name+fullName(inner))
		}
		inner = inner.Elem()
	}
	name += fullName(inner)
	return name, known(t, name)
}

func known(t reflect.Type, name string) error {
	if typeNamed(name) != t {
		return fmt.Errorf("a %v in an interface: the receiver could not tell the type: use the type itself instead of the interface, "+
			"or one that a task or queue has in its own type", t)
	}
	return nil
}

// typeNamed finds a type, or nil.
func typeNamed(name string) reflect.Type {
	return typeWrapped(name, maxWrapped)
}

func typeWrapped(name string, most int) reflect.Type {
	names.RLock()
	t := names.types[name]
	names.RUnlock()
	if t != nil || most == 0 {
		return t
	}
	for _, w := range wrappers {
		if rest, ok := strings.CutPrefix(name, w.prefix); ok {
			if t := typeWrapped(rest, most-1); t != nil {
				return w.wrap(t)
			}
		}
	}
	return nil
}

// dynamic reads what an any is to hold; h is its head.
func (d *decoder) dynamic(h head) (any, error) {
	switch h.major {
	case majorUint:
		if h.n > math.MaxInt64 {
			return h.n, nil
		}
		return int64(h.n), nil
	case majorInt:
		if h.n > math.MaxInt64 {
			return nil, fmt.Errorf("-1-%d is too low for an int64", h.n)
		}
		return -1 - int64(h.n), nil
	case majorBytes:
		b, err := d.take(h.n)
		return append([]byte{}, b...), err
	case majorText:
		b, err := d.take(h.n)
		return string(b), err
	case majorArray:
		return d.anySlice(h)
	case majorMap:
		return d.anyMap(h)
	case majorTag:
		return d.tagged(h.n)
	}
	switch {
	case h.info == simpleFalse || h.info == simpleTrue:
		return h.info == simpleTrue, nil
	case h.isNull():
		return nil, nil
	}
	if f, ok := h.float(); ok {
		return f, nil
	}
	return nil, d.misfit(h, anyType)
}

func (d *decoder) anySlice(h head) (any, error) {
	var s []any
	p, err := planOf(reflect.TypeOf(s))
	if err != nil {
		return nil, err
	}
	err = d.items(p, reflect.ValueOf(&s).Elem(), h)
	return s, err
}

// anyMap is a map[string]any, or a map[any]any when a key is no text.
func (d *decoder) anyMap(h head) (any, error) {
	if h.n > uint64(len(d.b)) {
		return nil, errShort
	}
	texts := map[string]any{}
	var others map[any]any
	for range h.n {
		var entry [2]any
		for i := range entry {
			if err := d.value(anyPlan, reflect.ValueOf(&entry[i]).Elem()); err != nil {
				return nil, err
			}
		}
		key, isText := entry[0].(string)
		if !isText && others == nil {
			others = make(map[any]any, len(texts))
			for k, v := range texts {
				others[k] = v
			}
		}
		switch {
		case others == nil:
			texts[key] = entry[1]
		case entry[0] != nil && !reflect.ValueOf(entry[0]).Comparable():
			return nil, fmt.Errorf("a %T cannot be the key of a map", entry[0])
		default:
			others[entry[0]] = entry[1]
		}
	}
	if others != nil {
		return others, nil
	}
	return texts, nil
}

var anyPlan = &plan{typ: anyType, form: formAny}

// tagged reads what follows a tag.
func (d *decoder) tagged(tag uint64) (any, error) {
	h, err := d.head()
	if err != nil {
		return nil, err
	}
	switch {
	case tag == tagTime || tag == tagSeconds:
		return d.time(h)
	case tag != tagTyped:
		return d.inner(func() (any, error) { return d.dynamic(h) })
	case h.major != majorArray || h.n != 2:
		return nil, d.misfit(h, anyType)
	}
	if h, err = d.head(); err != nil {
		return nil, err
	}
	name, err := d.take(h.n)
	if err != nil {
		return nil, err
	}
	t := typeNamed(string(name))
	if t == nil || h.major != majorText {
		return nil, fmt.Errorf("this program does not know the type %q", name[:min(len(name), 100)])
	}
	p, err := planOf(t)
	if err != nil {
		return nil, err
	}
	v := reflect.New(t).Elem()
	err = d.value(p, v)
	return v.Interface(), err
}
