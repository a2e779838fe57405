package codec

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
)

// same says that two values are equal: by their Equal or Cmp where they have one, bit by bit where
// they are floats, else as reflect.DeepEqual has it.
func same(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() || a.Type() != b.Type() {
		return a.IsValid() == b.IsValid()
	}
	for _, name := range []string{"Equal", "Cmp"} {
		m := a.MethodByName(name)
		if a.CanInterface() && m.IsValid() && m.Type().NumIn() == 1 && m.Type().In(0) == a.Type() && !(a.Kind() == reflect.Pointer && (a.IsNil() || b.IsNil())) {
			out := m.Call([]reflect.Value{b})[0]
			return out.Kind() == reflect.Bool && out.Bool() || out.Kind() == reflect.Int && out.Int() == 0
		}
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(a.Complex()) == fmt.Sprint(b.Complex())
	case reflect.Pointer, reflect.Interface:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Slice, reflect.Array:
		ok := a.Len() == b.Len() && (a.Kind() == reflect.Array || a.IsNil() == b.IsNil())
		for i := 0; ok && i < a.Len(); i++ {
			ok = same(a.Index(i), b.Index(i))
		}
		return ok
	case reflect.Map:
		ok := a.Len() == b.Len() && a.IsNil() == b.IsNil()
		for it := a.MapRange(); ok && it.Next(); {
			other := b.MapIndex(it.Key())
			// NaN is no key to look for
			ok = !it.Key().Equal(it.Key()) || other.IsValid() && same(it.Value(), other)
		}
		return ok
	case reflect.Struct:
		ok := true
		for i := 0; ok && i < a.NumField(); i++ {
			ok = a.Type().Field(i).Name == "_" || same(a.Field(i), b.Field(i))
		}
		return ok
	}
	return a.Equal(b)
}

// travel sends v, and returns what arrives, or the error of the sender.
func travel(t testing.TB, v reflect.Value) (reflect.Value, error) {
	t.Helper()
	if _, err := planOf(v.Type()); err != nil {
		return v, err
	}
	b, err := appendValue(nil, v)
	if err != nil {
		return v, err
	}
	if err := cbor.Wellformed(b); err != nil && len(b) < 200 { // the library has a limit of depth
		t.Errorf("%v: %x: %v", v.Type(), b, err)
	}
	out := reflect.New(v.Type()).Elem()
	if err := decodeValue(b, out); err != nil {
		t.Errorf("%v: %x cannot be read: %v", v.Type(), b[:min(len(b), 200)], err)
	}
	return out, nil
}

// Containers in which a value of each type travels.
func nestings(v reflect.Value) map[string]reflect.Value {
	t := v.Type()
	in := map[string]reflect.Value{"itself": v}
	s := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "S", Type: reflect.TypeFor[string]()}, {Name: "F", Type: t}})).Elem()
	s.Field(1).Set(v)
	in["struct"] = s
	in["slice"] = reflect.Append(reflect.MakeSlice(reflect.SliceOf(t), 0, 1), v)
	a := reflect.New(reflect.ArrayOf(2, t)).Elem()
	a.Index(1).Set(v)
	in["array"] = a
	m := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), t))
	m.SetMapIndex(reflect.ValueOf("k"), v)
	in["map"] = m
	if t.Comparable() && v.Comparable() && t.Kind() != reflect.Pointer {
		keys := reflect.MakeMap(reflect.MapOf(t, reflect.TypeFor[int]()))
		keys.SetMapIndex(v, reflect.ValueOf(1))
		in["key"] = keys
	}
	p := reflect.New(t)
	p.Elem().Set(v)
	in["pointer"] = p
	pp := reflect.New(p.Type())
	pp.Elem().Set(p)
	in["pointer to pointer"] = pp
	in["nil pointer"] = reflect.Zero(p.Type())
	in["pointer to nil"] = reflect.New(p.Type())
	held := reflect.New(anyType).Elem()
	held.Set(v)
	in["any"] = held
	in["slice of any"] = reflect.ValueOf([]any{v.Interface(), nil})
	in["map of any"] = reflect.ValueOf(map[string]any{"k": v.Interface(), "nested": map[string]any{"k": v.Interface()}})
	return in
}

type (
	point    struct{ X, Y int }
	celsius  float64
	embedded struct {
		point
		Name string
	}
	event struct { // its MarshalBinary would lose Name
		time.Time
		Name string
	}
	recursive struct {
		Name     string
		Next     *recursive
		Children map[string][]recursive
	}
	text     string
	bytesOf3 [3]byte
)

// knownToAll is what the tests put into an any.
type knownToAll struct {
	A embedded
	B event
	C recursive
	D text
	E bytesOf3
	F celsius
	G lossless
	H map[point]big.Rat
	I [2]string
	J big.Int
	K big.Float
	L struct{}
}

var _ = func() error {
	err := Check[knownToAll]()
	if err != nil {
		panic(err)
	}
	return nil
}()

// A lossless value travels by its text.
type lossless struct{ hidden string }

func (l lossless) MarshalText() ([]byte, error)     { return []byte(l.hidden), nil }
func (l *lossless) UnmarshalText(text []byte) error { l.hidden = string(text); return nil }

func berlin(t testing.TB) *time.Location {
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	return l
}

// samples are values of every kind of reflect that can travel.
func samples(t testing.TB) []any {
	when := time.Date(2024, 7, 8, 9, 10, 11, 12, time.UTC)
	one := 1
	link, _ := url.Parse("https://user:pw@example.org/a?b=c#d")
	return []any{
		true, false, int(-1), int8(math.MinInt8), int16(1), int32(-70000), int64(math.MinInt64), int64(math.MaxInt64),
		uint(1), uint8(255), uint16(256), uint32(1 << 31), uint64(math.MaxUint64),
		float32(1.5), math.Pi, math.Inf(-1), math.Copysign(0, -1), complex64(1 + 2i), 3 - 4i,
		"", "text", "no UTF-8 \xff", text("named"), celsius(36.6), bytesOf3{1, 2, 3}, [0]int{}, [2]string{"a", ""},
		[]byte(nil), []byte{}, []byte{0}, []int(nil), []int{}, []int{1, -2}, [][]string{nil, {}, {"a"}}, []struct{}{{}, {}},
		map[string]int(nil), map[string]int{}, map[int]string{1: "a"}, map[point]bool{{1, 2}: true}, map[any]any{1: "a", "b": 2.5, int8(3): nil},
		map[string]any{"a": 1, "b": map[string]any{"c": []any{nil, "d", uint8(1)}}}, map[string][]string{"a": {"b"}},
		struct{}{}, point{1, 2}, embedded{point{1, 2}, "e"}, event{when, "kept"}, &one,
		recursive{"r", &recursive{Name: "s"}, map[string][]recursive{"t": {{}, {Name: "u"}}}},
		when, when.In(berlin(t)), when.AddDate(0, 5, 0).In(berlin(t)), when.In(time.FixedZone("here", -3723)), when.Local(), time.Time{},
		time.Unix(1<<40, 5), time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), time.Minute, time.March,
		*big.NewInt(-5), *big.NewFloat(1.5).SetPrec(200).SetMode(big.ToZero), *big.NewRat(-22, 7), *new(big.Int).Lsh(big.NewInt(1), 300),
		netip.MustParseAddr("fe80::1%eth0"), *link, lossless{"whole"}, lossless{},
	}
}

// Every kind of reflect and each named type, in each container, comes back equal. What an interface
// cannot hold is refused at the sender, and nothing else.
func TestEveryKindComesBackEqual(t *testing.T) {
	for _, sample := range samples(t) {
		for where, v := range nestings(reflect.ValueOf(sample)) {
			name := fmt.Sprintf("%T %v in %s", sample, sample, where)
			got, err := travel(t, v)
			switch {
			case err != nil && (strings.Contains(where, "any") && strings.Contains(err.Error(), "in an interface") ||
				// and is refused
				where == "key" && (strings.Contains(err.Error(), "other than UTC") || strings.Contains(err.Error(), "another one"))):
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case !same(v, got):
				t.Errorf("%s: %#v arrives as %#v", name, v, got)
			}
		}
	}
}

// An any holds what the receiver is sure to know: the types of some Check, not what this process
// alone has come upon.
func TestAnyHoldsWhatIsKnown(t *testing.T) {
	type unchecked struct{ A int }
	type checked struct{ A *int }
	if _, err := Encode(unchecked{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Encode[any](unchecked{}); err == nil || !strings.Contains(err.Error(), "in an interface") {
		t.Errorf("a type that only this process has sent is in an any: %v", err)
	}
	if err := Check[map[string][]checked](); err != nil {
		t.Fatal(err)
	}
	for _, in := range []any{checked{}, []*checked{nil, {}}, map[string]checked{"": {}}, []map[string]any{{"a": 1}}} {
		if got, err := travel(t, reflect.ValueOf(&in).Elem()); err != nil || !reflect.DeepEqual(got.Interface(), in) {
			t.Errorf("%#v arrives as %#v, %v", in, got, err)
		}
	}
}

// A time comes back in its zone, so that it also prints and calculates as before.
func TestTimeKeepsItsZone(t *testing.T) {
	when := time.Date(2024, 7, 8, 9, 10, 11, 12, berlin(t))
	for _, in := range []time.Time{when, when.UTC(), when.Local(), when.In(time.FixedZone("X", 60)), when.AddDate(0, 6, 0), {}} {
		got, err := travel(t, reflect.ValueOf(in))
		if err != nil {
			t.Fatal(err)
		}
		out := got.Interface().(time.Time)
		if !reflect.DeepEqual(in.Round(0).String(), out.String()) || in.Location().String() != out.Location().String() || !in.AddDate(0, 6, 0).Equal(out.AddDate(0, 6, 0)) {
			t.Errorf("%v in %v arrives as %v in %v", in, in.Location(), out, out.Location())
		}
	}
}

type (
	//lint:ignore U1000 an embedded field that is not exported, for reflection
	marked  struct{}
	ownPair [2]byte
	// A generic has methods of its own, beside what it embeds.
	generic[T any] struct {
		//lint:ignore U1000 for reflection
		marked
		v T
	}
	// A half has one method of its own, and knows what the other one writes.
	half struct {
		generic[int]
		//lint:ignore U1000 for reflection
		extra int
	}
	all struct{ generic[int] }
)

func (g *generic[T]) MarshalBinary() ([]byte, error) { return fmt.Append(nil, g.v), nil }
func (g *generic[T]) UnmarshalBinary(text []byte) error {
	_, err := fmt.Sscan(string(text), &g.v)
	return err
}
func (h *half) UnmarshalBinary(text []byte) error { return h.generic.UnmarshalBinary(text) }
func (p ownPair) MarshalBinary() ([]byte, error)  { return p[:], nil }
func (p *ownPair) UnmarshalBinary(b []byte) error { copy(p[:], b); return nil }

// Methods that a struct has only because it embeds another type know nothing of its other fields.
func TestPromotedMethodsDoNotCount(t *testing.T) {
	for _, c := range []struct {
		typ  reflect.Type
		want selfForm
	}{
		{reflect.TypeFor[generic[int]](), selfBinary}, {reflect.TypeFor[generic[string]](), selfBinary}, {reflect.TypeFor[half](), selfBinary},
		{reflect.TypeFor[ownPair](), selfBinary}, {reflect.TypeFor[lossless](), selfText}, {reflect.TypeFor[big.Float](), selfGob},
		{reflect.TypeFor[all](), selfNone}, {reflect.TypeFor[event](), selfNone}, {reflect.TypeFor[*ownPair](), selfNone},
		{reflect.TypeFor[struct{ ownPair }](), selfNone}, {reflect.TypeFor[struct{ *generic[string] }](), selfNone},
	} {
		if got := selfFormOf(c.typ); got != c.want {
			t.Errorf("%v: %d, want %d", c.typ, got, c.want)
		}
	}
}

// What would arrive changed is refused by its path, in whatever it lies.
func TestRefusedByPath(t *testing.T) {
	type unexported struct {
		S string
		n int
	}
	type tagged struct {
		S string `json:"-"`
	}
	type inner struct{ ID string }
	type hiding struct {
		inner
		ID string
	}
	type twoOfThem struct {
		A string `json:"x"`
		B string `cbor:"x,omitempty"`
	}
	type function struct{ Do func() }
	_ = unexported{n: 1}
	for _, c := range []struct {
		bad  reflect.Type
		path string
	}{
		{reflect.TypeFor[unexported](), ".n is not exported"},
		{reflect.TypeFor[tagged](), ".S has the tag"},
		{reflect.TypeFor[hiding](), ".inner.ID is hidden"},
		{reflect.TypeFor[twoOfThem](), ".B has the same name"},
		{reflect.TypeFor[function](), ".Do: func() is code"},
		{reflect.TypeFor[error](), "error is an interface with methods"},
		{reflect.TypeFor[fmt.Stringer](), "Stringer is an interface with methods"},
		{reflect.TypeFor[func()](), "func() is code"},
		{reflect.TypeFor[chan int](), "chan int works inside one process only"},
		{reflect.TypeFor[uintptr](), "uintptr is an address"},
		{reflect.TypeFor[unsafe.Pointer](), "Pointer is an address"},
		{reflect.TypeFor[*regexp.Regexp](), "Regexp would lose"},
		{reflect.TypeFor[bytes.Buffer](), ".buf is not exported"},
		{reflect.TypeFor[strings.Builder](), ".addr is not exported"},
		{reflect.TypeFor[sync.Mutex](), "Mutex works inside one process only"},
	} {
		for prefix, typ := range map[string]reflect.Type{
			"":              c.bad,
			"struct.F":      reflect.StructOf([]reflect.StructField{{Name: "F", Type: c.bad}}),
			"slice[]":       reflect.SliceOf(c.bad),
			"array[]":       reflect.ArrayOf(1, c.bad),
			"map[]":         reflect.MapOf(reflect.TypeFor[string](), c.bad),
			"struct.F[][].": reflect.StructOf([]reflect.StructField{{Name: "F", Type: reflect.SliceOf(reflect.MapOf(reflect.TypeFor[int](), reflect.PointerTo(c.bad)))}}),
		} {
			_, err := planOf(typ)
			if err == nil || !strings.HasPrefix(err.Error(), strings.TrimSuffix(prefix, ".")) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("%v: %v, want %s…%s", typ, err, prefix, c.path)
			}
		}
		if c.bad.Kind() != reflect.Interface && c.bad != reflect.TypeFor[sync.Mutex]() {
			if _, err := Encode[any](reflect.Zero(c.bad).Interface()); err == nil {
				t.Errorf("an any holds a %v", c.bad)
			}
		}
	}
}

// The key of a map is not refused for what it is, but for what it would not be again: a pointer is
// another one, and so is the location of a time.
func TestKeysThatWouldBeOthers(t *testing.T) {
	type pointing struct{ P *int }
	for _, typ := range []reflect.Type{reflect.TypeFor[map[*int]int](), reflect.TypeFor[[]map[pointing]int]()} {
		if _, err := planOf(typ); err == nil || !strings.Contains(err.Error(), "pointer") || !strings.Contains(err.Error(), "[key]") {
			t.Errorf("%v: %v", typ, err)
		}
	}
	for _, v := range []any{map[any]int{new(int): 1}, map[any]any{[1]any{new(int)}: 1}, map[any]int{time.Now().In(berlin(t)): 1}} {
		if _, err := Encode(v); err == nil {
			t.Errorf("%v travels", v)
		}
	}
}

// A value that contains itself is an error of the sender, whatever the cycle goes through, and so
// is one that is nested without end. A long list is none.
func TestCycles(t *testing.T) {
	list := &recursive{Name: "a"}
	list.Next = &recursive{Name: "b", Next: list}
	m := map[string]any{}
	m["m"] = []any{m}
	s := []any{nil}
	s[0] = s
	var p any
	p = &p
	tree := recursive{Children: map[string][]recursive{}}
	tree.Children["self"] = []recursive{tree}
	for _, v := range []any{list, *list, m, s, p, tree} {
		if _, err := Encode(v); err == nil || !strings.Contains(err.Error(), "cycle") && !strings.Contains(err.Error(), "deep") {
			t.Errorf("%T: %v", v, err)
		}
	}
	long := &recursive{}
	for range 4000 {
		long = &recursive{Next: long}
	}
	if got, err := travel(t, reflect.ValueOf(long)); err != nil || !same(got, reflect.ValueOf(long)) {
		t.Errorf("a list of 4000: %v", err)
	}
	var longer *recursive
	for range maxDepth {
		longer = &recursive{Next: longer}
	}
	if _, err := Encode(longer); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("a list of %d: %v", maxDepth, err)
	}
}
