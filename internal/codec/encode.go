package codec

import (
	"fmt"
	"reflect"
	"time"
)

const (
	maxDepth   = 10_000 // how deep values may lie in each other
	cycleDepth = 500    // from here on a cycle is looked for
)

// An encoder writes one value.
type encoder struct {
	b     []byte
	depth int
	keys  int                // keys of maps that what is written is part of
	above map[reference]bool // what the value that is written lies in, from cycleDepth on
}

// A reference is a pointer, map or slice of a value.
type reference struct {
	typ reflect.Type
	at  uintptr
	len int
}

// value writes v. p is the plan of its type.
func (e *encoder) value(p *plan, v reflect.Value) error {
	switch p.form {
	case formBool:
		simple := byte(simpleFalse)
		if v.Bool() {
			simple = simpleTrue
		}
		e.b = append(e.b, majorOther<<5|simple)
	case formInt:
		e.b = appendInt(e.b, v.Int())
	case formUint:
		e.b = appendHead(e.b, majorUint, v.Uint())
	case formFloat:
		e.b = appendFloat(e.b, v.Float(), p.typ.Bits())
	case formComplex:
		bits := p.typ.Bits() / 2
		e.b = appendHead(e.b, majorArray, 2)
		e.b = appendFloat(appendFloat(e.b, real(v.Complex()), bits), imag(v.Complex()), bits)
	case formString:
		e.b = appendText(e.b, v.String())
	case formByteArray:
		e.byteArray(v)
	case formTime:
		t := v.Interface().(time.Time)
		if l := t.Location(); e.keys > 0 && l != time.UTC && l != time.Local {
			return fmt.Errorf("%v is the key of a map and would not be found there: use one in a location other than UTC as a value only", t)
		}
		e.b = appendTime(e.b, t)
	case formSelf:
		return e.selfMade(p, v)
	default:
		return e.nested(p, v)
	}
	return nil
}

// nested writes a value that contains others.
func (e *encoder) nested(p *plan, v reflect.Value) error {
	if p.nullable() && v.IsNil() {
		e.b = append(e.b, null)
		return nil
	}
	if e.depth++; e.depth > maxDepth {
		return fmt.Errorf("values lie in each other more than %d deep", maxDepth)
	}
	defer func() { e.depth-- }()
	if e.depth > cycleDepth && (p.form == formPointer || p.form == formMap || p.form == formSlice) {
		ref := reference{typ: p.typ, at: v.Pointer()}
		if p.form == formSlice {
			ref.len = v.Len()
		}
		if e.above[ref] {
			return fmt.Errorf("a cycle: a %v contains itself", p.typ)
		}
		if e.above == nil {
			e.above = map[reference]bool{}
		}
		e.above[ref] = true
		defer delete(e.above, ref)
	}
	switch p.form {
	case formBytes:
		e.b = append(appendHead(e.b, majorBytes, uint64(v.Len())), v.Bytes()...)
	case formSlice, formArray:
		return e.elements(p, v)
	case formMap:
		return e.entries(p, v)
	case formStruct:
		return e.fields(p, v)
	case formPointer:
		if e.keys > 0 {
			return fmt.Errorf("a %v is the key of a map: it would be another one", p.typ)
		}
		if p.elem.nullable() {
			e.b = appendHead(e.b, majorArray, 1)
		}
		return e.value(p.elem, v.Elem())
	case formAny:
		return e.dynamic(v.Elem())
	}
	return nil
}

func (e *encoder) elements(p *plan, v reflect.Value) error {
	n := v.Len()
	e.b = appendHead(e.b, majorArray, uint64(n))
	for i := range n {
		if err := e.value(p.elem, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) entries(p *plan, v reflect.Value) error {
	n := v.Len()
	e.b = appendHead(e.b, majorMap, uint64(n))
	for it := v.MapRange(); it.Next(); n-- {
		e.keys++
		if err := e.value(p.key, it.Key()); err != nil {
			return err
		}
		e.keys--
		if err := e.value(p.elem, it.Value()); err != nil {
			return err
		}
	}
	if n != 0 {
		return fmt.Errorf("a %v changes while it is encoded", p.typ)
	}
	return nil
}

func (e *encoder) fields(p *plan, v reflect.Value) error {
	e.b = appendHead(e.b, majorMap, uint64(len(p.fields)))
	for i := range p.fields {
		f := &p.fields[i]
		e.b = appendText(e.b, f.name)
		if err := e.value(f.plan, v.Field(f.index)); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) byteArray(v reflect.Value) {
	e.b = appendHead(e.b, majorBytes, uint64(v.Len()))
	if v.CanAddr() {
		e.b = append(e.b, v.Bytes()...)
		return
	}
	for i := range v.Len() {
		e.b = append(e.b, byte(v.Index(i).Uint()))
	}
}

func (e *encoder) selfMade(p *plan, v reflect.Value) error {
	b, err := p.self.write(v)
	if err != nil {
		return fmt.Errorf("%v: %w", p.typ, err)
	}
	if e.keys > 0 {
		again := reflect.New(p.typ).Elem()
		if err := p.self.read(append([]byte{}, b...), again); err != nil || !again.Equal(v) {
			return fmt.Errorf("a %v is the key of a map: it would be another one", p.typ)
		}
	}
	major := byte(majorBytes)
	if p.self == selfText {
		major = majorText
	}
	e.b = append(appendHead(e.b, major, uint64(len(b))), b...)
	return nil
}
