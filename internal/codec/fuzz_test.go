package codec

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"
	"time"
)

// A maker makes types and values of bytes.
type maker struct {
	b     []byte
	depth int
}

func (m *maker) byte() byte {
	if len(m.b) == 0 {
		return 0
	}
	b := m.b[0]
	m.b = m.b[1:]
	return b
}

func (m *maker) word() uint64 {
	var w [8]byte
	m.b = m.b[copy(w[:], m.b):]
	return binary.LittleEndian.Uint64(w[:])
}

var basics = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[uint64](), reflect.TypeFor[uint8](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[complex128](), reflect.TypeFor[string](), anyType,
	reflect.TypeFor[time.Time](), reflect.TypeFor[point](), reflect.TypeFor[event](), reflect.TypeFor[lossless](),
	reflect.TypeFor[chan int](), reflect.TypeFor[error](), reflect.TypeFor[celsius](), reflect.TypeFor[struct{}](),
}

// typ is a type of any kind.
func (m *maker) typ() reflect.Type {
	m.depth++
	defer func() { m.depth-- }()
	choice := int(m.byte()) % (len(basics) + 5)
	if choice < len(basics) || m.depth > 6 {
		return basics[choice%len(basics)]
	}
	switch t := m.typ(); choice - len(basics) {
	case 0:
		return reflect.PointerTo(t)
	case 1:
		return reflect.SliceOf(t)
	case 2:
		return reflect.ArrayOf(int(m.byte()%3), t)
	case 3:
		if t.Comparable() {
			return reflect.MapOf(t, m.typ())
		}
		return reflect.MapOf(reflect.TypeFor[string](), t)
	default:
		fields := []reflect.StructField{{Name: "A", Type: t}}
		for i := range m.byte() % 3 {
			fields = append(fields, reflect.StructField{Name: fmt.Sprint("F", i), Type: m.typ()})
		}
		return reflect.StructOf(fields)
	}
}

// fill sets v to a value.
func (m *maker) fill(v reflect.Value) {
	m.depth++
	defer func() { m.depth-- }()
	if m.depth > 20 {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(m.byte()%2 == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(m.word()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(m.word())
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(int64(m.word())) / 1024)
	case reflect.Complex128:
		v.SetComplex(complex(float64(m.byte()), float64(m.byte())))
	case reflect.String:
		v.SetString(string(m.b[:min(len(m.b), int(m.byte()%8))]))
	case reflect.Array:
		for i := range v.Len() {
			m.fill(v.Index(i))
		}
	case reflect.Struct:
		m.fillStruct(v)
	default:
		if choice := m.byte(); choice%4 > 0 {
			m.fillNullable(v, int(choice%4)-1)
		}
	}
}

func (m *maker) fillStruct(v reflect.Value) {
	switch v.Type() {
	case timeType:
		zones := []*time.Location{time.UTC, time.Local, time.FixedZone("Z", int(int8(m.byte()))*900)}
		v.Set(reflect.ValueOf(time.Unix(int64(m.word())>>20, int64(m.byte())).In(zones[m.byte()%3])))
	case reflect.TypeFor[lossless]():
		v.Set(reflect.ValueOf(lossless{fmt.Sprint(m.byte())}))
	default:
		for i := range v.NumField() {
			m.fill(v.Field(i))
		}
	}
}

func (m *maker) fillNullable(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		m.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			m.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range n {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			if m.fill(key); !key.Comparable() {
				continue
			}
			m.fill(elem)
			v.SetMapIndex(key, elem)
		}
	case reflect.Interface:
		if v.NumMethod() == 0 {
			held := reflect.New(m.typ()).Elem()
			m.fill(held)
			v.Set(held)
		}
	}
}

// Values of any type come back equal, or are refused: by their type, or at the sender.
func FuzzTravel(f *testing.F) {
	for i := range byte(60) {
		f.Add([]byte{i, i / 2, i * 3, 7, i, 9, 11, i, 3, 2, 1, i, 200, 17, 40, 80, i})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := maker{b: b}
		v := reflect.New(m.typ()).Elem()
		m.fill(v)
		if got, err := travel(t, v); err == nil && !same(v, got) {
			t.Errorf("%v: %#v arrives as %#v", v.Type(), v, got)
		}
	})
}
