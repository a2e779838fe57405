package elem

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// pyCase is a type as testdata/layout.py reads it.
type pyCase struct {
	goType reflect.Type
	Type   any    `json:"type"`
	Format string `json:"format"`
	Bytes  string `json:"bytes"` // elements, in hexadecimal
}

// pyResult is Python's description of a type.
type pyResult struct {
	Format string   `json:"format"`
	Places [][4]any `json:"places"` // path, offset, size, kind
	Values string   `json:"values"`
}

// python gives the first Python interpreter that can import module, or skips the test.
func python(t *testing.T, module string) string {
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin")
	for _, dir := range dirs {
		exe := filepath.Join(dir, "python3")
		if exec.Command(exe, "testdata/layout.py", "import", module).Run() == nil {
			return exe
		}
	}
	t.Skipf("missing: a python3 that can import %s", module)
	return ""
}

// ask runs cases through testdata/layout.py.
func ask(t *testing.T, module string, cases []pyCase) []pyResult {
	t.Helper()
	in, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python(t, module), "testdata/layout.py", module)
	cmd.Stdin = bytes.NewReader(in)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	var results []pyResult
	if err := json.Unmarshal(out, &results); err != nil || len(results) != len(cases) {
		t.Fatalf("%d results for %d cases: %v", len(results), len(cases), err)
	}
	return results
}

func newCase(t *testing.T, typ reflect.Type) pyCase {
	e, err := OfType(typ)
	if err != nil {
		t.Fatalf("%v: %v", typ, err)
	}
	return pyCase{goType: typ, Type: described(typ), Format: e.Format}
}

// described gives typ in the words of testdata/layout.py, without offsets: Python computes its own.
func described(typ reflect.Type) any {
	switch typ.Kind() {
	case reflect.Array:
		return map[string]any{"array": typ.Len(), "of": described(typ.Elem())}
	case reflect.Struct:
		fields := [][2]any{}
		for f := range typ.Fields() {
			fields = append(fields, [2]any{f.Name, described(f.Type)})
		}
		return map[string]any{"struct": fields}
	default:
		return map[string]any{"number": typ.Kind().String()}
	}
}

// places lists every named part of typ as Go lays it out: path, offset, size, kind.
func places(typ reflect.Type, path string, start uintptr) [][4]any {
	for typ.Kind() == reflect.Array {
		path += fmt.Sprintf("[%d]", typ.Len())
		typ = typ.Elem()
	}
	// As JSON, numbers are floats.
	list := [][4]any{{path, float64(start), float64(typ.Size()), typ.Kind().String()}}
	if typ.Kind() != reflect.Struct {
		return list
	}
	for f := range typ.Fields() {
		if f.Name != "_" {
			list = append(list, places(f.Type, path+"."+f.Name, start+f.Offset)...)
		}
	}
	return list
}

// contains reports whether typ contains a part that pred wants.
func contains(typ reflect.Type, pred func(reflect.Type, string) bool) bool {
	switch typ.Kind() {
	case reflect.Array:
		return contains(typ.Elem(), pred)
	case reflect.Struct:
		for f := range typ.Fields() {
			if pred(f.Type, f.Name) || contains(f.Type, pred) {
				return true
			}
		}
	}
	return pred(typ, "")
}

// notInCtypes finds parts that ctypes lacks: complex numbers before Python 3.14, and unnamed bytes.
func notInCtypes(typ reflect.Type, name string) bool {
	return name == "_" || typ.Kind() == reflect.Complex64 || typ.Kind() == reflect.Complex128
}

// unpadded is the format string without padding, which ctypes writes only since Python 3.12.
func unpadded(l *Layout) string {
	var pack func(l *Layout)
	pack = func(l *Layout) {
		end := int64(0)
		for i := range l.Fields {
			f := &l.Fields[i]
			pack(&f.Layout)
			f.Offset = end
			end += f.Layout.Size
		}
		if l.Code == "" {
			l.Unit = end
		}
		l.setSize()
	}
	pack(l)
	return l.String()
}

// pythonTypes are fixed and random types that can be asked about.
func pythonTypes(unfit func(reflect.Type, string) bool) []reflect.Type {
	types := slices.Clone(scalars)
	types = append(types, reflect.TypeFor[point](), reflect.TypeFor[nested](), reflect.TypeFor[padded](),
		reflect.TypeFor[[2][3]int16](), reflect.TypeFor[[2]point](), reflect.TypeFor[struct{ Größe uint16 }]())
	for seed := range 300 {
		types = append(types, elementType(3).Example(seed))
	}
	return slices.DeleteFunc(types, func(typ reflect.Type) bool { return contains(typ, unfit) })
}

func TestFormatIsThatOfCtypes(t *testing.T) {
	var cases []pyCase
	for _, typ := range pythonTypes(notInCtypes) {
		cases = append(cases, newCase(t, typ))
	}
	for i, r := range ask(t, "ctypes", cases) {
		c := cases[i]
		if want := places(c.goType, "", 0); !reflect.DeepEqual(r.Places, want) {
			t.Errorf("%v: ctypes puts it at\n%v, Go at\n%v", c.goType, r.Places, want)
		}
		theirs, err := Parse(r.Format)
		if err != nil {
			t.Errorf("format %q of ctypes: %v", r.Format, err)
			continue
		}
		ours, err := Parse(c.Format)
		if err != nil {
			t.Fatal(err)
		}
		if unpadded(theirs) != unpadded(ours) {
			t.Errorf("%v: ctypes writes %q, we write %q", c.goType, r.Format, c.Format)
		}
	}
	t.Logf("%d types", len(cases))
}

func TestNumPyReadsFormat(t *testing.T) {
	anything := func(reflect.Type, string) bool { return false }
	var cases []pyCase
	for _, typ := range pythonTypes(anything) {
		cases = append(cases, newCase(t, typ))
	}
	for i, r := range ask(t, "numpy", cases) {
		c := cases[i]
		if want := places(c.goType, "", 0); !reflect.DeepEqual(r.Places, want) {
			t.Errorf("%v: from %q, NumPy puts it at\n%v, Go at\n%v", c.goType, c.Format, r.Places, want)
		}
	}
	t.Logf("%d types", len(cases))
}

// asCase is a case with the bytes of values.
func asCase[T any](t *testing.T, values ...T) pyCase {
	c := newCase(t, reflect.TypeFor[T]())
	size := int(unsafe.Sizeof(values[0])) * len(values)
	c.Bytes = hex.EncodeToString(unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), size))
	return c
}

func TestNumPyReadsValues(t *testing.T) {
	type mixed struct {
		A bool
		B complex64
		C int8
		D [2]struct {
			E uint64
			F float32
		}
	}
	m := mixed{A: true, B: complex(1, -2), C: -3}
	m.D[0].E, m.D[1].F = 1<<63, 0.5
	cases := []pyCase{
		asCase(t, int64(-1), 1<<40),
		asCase(t, point{X: -7, Y: 2.5}, point{X: 8, N: [16]byte{15: 9}}),
		asCase(t, m),
	}
	zeros := strings.Repeat("0, ", 15)
	want := []string{
		"[-1, 1099511627776]",
		"[(-7, 2.5, [" + zeros + "0]), (8, 0.0, [" + zeros + "9])]",
		"[(True, (1-2j), -3, [(9223372036854775808, 0.0), (0, 0.5)])]",
	}
	for i, r := range ask(t, "numpy", cases) {
		if r.Values != want[i] {
			t.Errorf("%s: NumPy reads %s, want %s", cases[i].Format, r.Values, want[i])
		}
	}
}
