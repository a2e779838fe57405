package codec

import (
	"errors"
	"fmt"
	"reflect"
)

const (
	// spareBytes is how much memory values may take beyond spareRatio times their own bytes, in
	// all: so that a message of few bytes, that says that it has many elements, does not cost much.
	spareBytes = 8 << 20
	spareRatio = 24 // what this package writes is at most so many times smaller: a nil slice

	firstBytes = 4096 // of slices
)

// A decoder reads one value.
type decoder struct {
	b     []byte // what is left
	depth int
	spare int
}

// value sets v, which is zero. p is the plan of its type.
func (d *decoder) value(p *plan, v reflect.Value) error {
	h, err := d.head()
	if err != nil {
		return err
	}
	return d.item(p, v, h)
}

// item is value where the head has been read.
func (d *decoder) item(p *plan, v reflect.Value, h head) (err error) {
	if p.form == formAny {
		held, err := d.inner(func() (any, error) { return d.dynamic(h) })
		if err == nil && held != nil {
			v.Set(reflect.ValueOf(held))
		}
		return err
	}
	if p.form == formTime {
		t, err := d.time(h)
		if err == nil {
			v.Set(reflect.ValueOf(t))
		}
		return err
	}
	for h.major == majorTag {
		if h, err = d.head(); err != nil {
			return err
		}
	}
	if h.isNull() {
		return nil
	}
	return d.set(p, v, h)
}

// set sets v from an item that is not null.
func (d *decoder) set(p *plan, v reflect.Value, h head) error {
	switch p.form {
	case formBool:
		if h.major != majorOther || h.info != simpleFalse && h.info != simpleTrue {
			return d.misfit(h, p.typ)
		}
		v.SetBool(h.info == simpleTrue)
	case formInt:
		n := int64(h.n)
		if h.major == majorInt {
			n = -1 - n
		}
		if h.major > majorInt || h.n > 1<<63-1 || v.OverflowInt(n) {
			return d.misfit(h, p.typ)
		}
		v.SetInt(n)
	case formUint:
		if h.major != majorUint || v.OverflowUint(h.n) {
			return d.misfit(h, p.typ)
		}
		v.SetUint(h.n)
	case formFloat:
		f, ok := h.float()
		if !ok || v.OverflowFloat(f) {
			return d.misfit(h, p.typ)
		}
		v.SetFloat(f)
	case formComplex:
		return d.complex(p, v, h)
	case formString, formBytes, formByteArray, formSelf:
		return d.bytes(p, v, h)
	default:
		_, err := d.inner(func() (any, error) { return nil, d.nested(p, v, h) })
		return err
	}
	return nil
}

// inner bounds how deep values lie in each other.
func (d *decoder) inner(read func() (any, error)) (any, error) {
	if d.depth++; d.depth > 2*maxDepth { // an any counts twice
		return nil, fmt.Errorf("values lie in each other more than %d deep", maxDepth)
	}
	v, err := read()
	d.depth--
	return v, err
}

func (d *decoder) nested(p *plan, v reflect.Value, h head) error {
	switch p.form {
	case formSlice:
		return d.items(p, v, h)
	case formArray:
		if h.major != majorArray || h.n != uint64(v.Len()) {
			return d.misfit(h, p.typ)
		}
		for i := range v.Len() {
			if err := d.value(p.elem, v.Index(i)); err != nil {
				return err
			}
		}
	case formMap:
		return d.entries(p, v, h)
	case formStruct:
		return d.fields(p, v, h)
	case formPointer:
		return d.pointer(p, v, h)
	}
	return nil
}

func (d *decoder) items(p *plan, v reflect.Value, h head) error {
	if h.major != majorArray {
		return d.misfit(h, p.typ)
	}
	if h.n > uint64(len(d.b)) {
		return errShort
	}
	n := int(h.n)
	v.Set(reflect.MakeSlice(p.typ, 0, min(n, 1+firstBytes/max(1, int(p.elem.typ.Size())))))
	for i := range n {
		if i == v.Cap() {
			v.Grow(min(n-i, i))
		}
		v.SetLen(i + 1)
		before := len(d.b)
		if err := d.value(p.elem, v.Index(i)); err != nil {
			return err
		}
		if err := d.charge(p.elem, before); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) entries(p *plan, v reflect.Value, h head) error {
	if h.major != majorMap {
		return d.misfit(h, p.typ)
	}
	if h.n > uint64(len(d.b)) {
		return errShort
	}
	v.Set(reflect.MakeMap(p.typ))
	if h.n == 0 {
		return nil
	}
	key, elem := reflect.New(p.key.typ).Elem(), reflect.New(p.elem.typ).Elem()
	for range h.n {
		key.SetZero()
		elem.SetZero()
		before := len(d.b)
		if err := d.value(p.key, key); err != nil {
			return err
		}
		if !key.Comparable() {
			return fmt.Errorf("what is to be the key of a %v cannot be one", p.typ)
		}
		if err := d.value(p.elem, elem); err != nil {
			return err
		}
		if err := d.charge(p.elem, before); err != nil {
			return err
		}
		v.SetMapIndex(key, elem)
	}
	return nil
}

// fields sets a struct. Fields that it does not have are skipped, and those that are missing stay
// zero.
func (d *decoder) fields(p *plan, v reflect.Value, h head) error {
	if h.major != majorMap {
		return d.misfit(h, p.typ)
	}
	next := 0
	for range h.n {
		key, err := d.head()
		if err != nil {
			return err
		}
		if key.major != majorText {
			return d.misfit(key, p.typ)
		}
		name, err := d.take(key.n)
		if err != nil {
			return err
		}
		if next = p.find(name, next); next == len(p.fields) {
			err = d.skip()
		} else {
			err = d.value(p.fields[next].plan, v.Field(p.fields[next].index))
			next++
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the index of a field, which is most likely there, or the number of fields.
func (p *plan) find(name []byte, likely int) int {
	if likely < len(p.fields) && p.fields[likely].name == string(name) {
		return likely
	}
	for i := range p.fields {
		if p.fields[i].name == string(name) {
			return i
		}
	}
	return len(p.fields)
}

func (d *decoder) pointer(p *plan, v reflect.Value, h head) error {
	to := reflect.New(p.elem.typ)
	before := len(d.b) + 1 // with the head
	var err error
	switch {
	case !p.elem.nullable():
		err = d.item(p.elem, to.Elem(), h)
	case h.major != majorArray || h.n != 1:
		err = d.misfit(h, p.typ)
	default:
		err = d.value(p.elem, to.Elem())
	}
	if err == nil {
		err = d.charge(p.elem, before)
	}
	v.Set(to)
	return err
}

func (d *decoder) complex(p *plan, v reflect.Value, h head) error {
	if h.major != majorArray || h.n != 2 {
		return d.misfit(h, p.typ)
	}
	var parts [2]float64
	for i := range parts {
		part, err := d.head()
		if err != nil {
			return err
		}
		var ok bool
		if parts[i], ok = part.float(); !ok {
			return d.misfit(part, p.typ)
		}
	}
	v.SetComplex(complex(parts[0], parts[1]))
	return nil
}

// bytes sets what is a text or a byte string on the wire.
func (d *decoder) bytes(p *plan, v reflect.Value, h head) error {
	major := byte(majorBytes)
	if p.form == formString || p.form == formSelf && p.self == selfText {
		major = majorText
	}
	if h.major != major {
		return d.misfit(h, p.typ)
	}
	b, err := d.take(h.n)
	if err != nil {
		return err
	}
	switch p.form {
	case formString:
		v.SetString(string(b))
	case formBytes:
		v.SetBytes(append([]byte{}, b...))
	case formByteArray:
		if len(b) != v.Len() {
			return d.misfit(h, p.typ)
		}
		copy(v.Bytes(), b)
	default:
		if err := p.self.read(append([]byte{}, b...), v); err != nil {
			return fmt.Errorf("%v: %w", p.typ, err)
		}
	}
	return nil
}

var errAmplified = errors.New("they would take far more memory than they are long")

// charge counts the memory of a value that was read since so many bytes were left.
func (d *decoder) charge(p *plan, before int) error {
	d.spare -= max(0, int(p.typ.Size())-spareRatio*(before-len(d.b)))
	if d.spare < 0 {
		return errAmplified
	}
	return nil
}

// skip passes over one item.
func (d *decoder) skip() error {
	h, err := d.head()
	if err != nil {
		return err
	}
	n := uint64(0)
	switch h.major {
	case majorBytes, majorText:
		_, err := d.take(h.n)
		return err
	case majorArray:
		n = h.n
	case majorMap:
		if n = 2 * h.n; h.n > uint64(len(d.b)) {
			return errShort
		}
	case majorTag:
		n = 1
	}
	_, err = d.inner(func() (any, error) {
		for range n {
			if err := d.skip(); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	return err
}

// misfit is the error for an item that is no value of a type.
func (d *decoder) misfit(h head, t reflect.Type) error {
	what := [...]string{"a number", "a negative number", "bytes", "a text", "an array", "a map", "a tag", "a float or a simple value"}
	return fmt.Errorf("%s (%d) is no %v", what[h.major], h.n, t)
}
