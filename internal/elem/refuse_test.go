package elem

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

type list struct {
	Value int32
	Next  *list
}

func wantRefusal(t *testing.T, typ reflect.Type, path, reason string) {
	t.Helper()
	got, err := OfType(typ)
	var refused *UnsupportedTypeError
	if !errors.As(err, &refused) {
		t.Errorf("%v: got %+v, %v, want an UnsupportedTypeError", typ, got, err)
		return
	}
	if refused.Path != path || !strings.Contains(refused.Reason, reason) {
		t.Errorf("%v: refused at %q because it %q, want %q, %q", typ, refused.Path, refused.Reason, path, reason)
	}
	if !strings.HasPrefix(err.Error(), path) || !strings.HasSuffix(err.Error(), refused.Reason) {
		t.Errorf("error is %q", err)
	}
}

func TestRefused(t *testing.T) {
	type user struct {
		ID   int64
		Tags [3]struct{ Name string }
	}
	for _, c := range []struct {
		typ          reflect.Type
		path, reason string
	}{
		{reflect.TypeFor[string](), "string", "or pass it through a queue.Objects or queue.Bytes"},
		{reflect.TypeFor[struct{ T [2]time.Time }](), "struct.T[]", "UnixNano"},
		{reflect.TypeFor[[]byte](), "slice", "no fixed size"},
		{reflect.TypeFor[map[int32]int32](), "map", "no fixed size"},
		{reflect.TypeFor[*int32](), "ptr", "address"},
		{reflect.TypeFor[chan int32](), "chan", "use a queue"},
		{reflect.TypeFor[func()](), "func", "code of one process"},
		{reflect.TypeFor[any](), "interface", "any type"},
		{reflect.TypeFor[error](), "error", "any type"},
		{reflect.TypeFor[uintptr](), "uintptr", "address"},
		{reflect.TypeFor[unsafe.Pointer](), "Pointer", "address"},
		{reflect.TypeFor[int](), "int", "use int64 or int32"},
		{reflect.TypeFor[uint](), "uint", "use uint64 or uint32"},
		{reflect.TypeFor[time.Duration](), "", ""},
		{reflect.TypeFor[struct{}](), "struct", "no bytes"},
		{reflect.TypeFor[[0]int32](), "array", "no bytes"},
		{reflect.TypeFor[[4][0]int32](), "array[]", "no bytes"},
		{reflect.TypeFor[struct{ _ struct{} }](), "struct", "no bytes"},
		{reflect.TypeFor[struct{ A struct{} }](), "struct", "no bytes"},
		{reflect.TypeFor[struct {
			A int32
			B [0]int64
		}](), "struct.B", "no bytes"},
		{reflect.TypeFor[struct {
			A int32
			_ *int32
		}](), "struct._", "address"},
		{reflect.TypeFor[list](), "list.Next", "address"},
		{reflect.TypeFor[[2]list](), "array[].Next", "address"},
		{reflect.TypeFor[user](), "user.Tags[].Name", "no fixed size"},
		{reflect.TypeFor[time.Time](), "Time", "UnixNano"},
		{reflect.TypeFor[sync.Mutex](), "Mutex", "one process only"},
		{reflect.TypeFor[struct{ mu sync.RWMutex }](), "struct.mu", "one process only"},
		{reflect.TypeFor[pair[string]](), "pair.First", "no fixed size"},
	} {
		if c.path == "" {
			if _, err := OfType(c.typ); err != nil {
				t.Errorf("%v: %v", c.typ, err)
			}
			continue
		}
		wantRefusal(t, c.typ, c.path, c.reason)
	}
	if _, err := OfType(nil); err == nil {
		t.Error("the nil type is accepted")
	}
}

func TestRefusedTooLarge(t *testing.T) {
	if wordBytes < 8 {
		t.Skip("no type is that large on a 32-bit machine")
	}
	large := reflect.ArrayOf(1<<20, reflect.ArrayOf(1<<20, reflect.TypeFor[byte]()))
	if typ, err := OfType(large); err != nil || int64(typ.Size) != MaxSize {
		t.Errorf("an element of 1 TiB: %+v, %v", typ, err)
	}
	wantRefusal(t, reflect.ArrayOf(2, large), "array", tooLarge)
}

func TestRefusalText(t *testing.T) {
	type Point struct{ Name string }
	_, err := Of[Point]()
	want := "Point.Name: string has no fixed size; use a byte array, such as [64]byte, and a length, or pass it through a queue.Objects or queue.Bytes"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = Of[int]()
	want = "int has another size on other machines; use int64 or int32"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Processes of one binary agree on the width of an int, and may pass values without bytes.
func TestSameBinaryTakesMore(t *testing.T) {
	type all struct {
		N  int
		_  [0]func()
		U  [2]uint
		OK bool
		E  struct{}
	}
	for typ, size := range map[reflect.Type]uintptr{
		reflect.TypeFor[int](): unsafe.Sizeof(0), reflect.TypeFor[uint](): unsafe.Sizeof(0), reflect.TypeFor[struct{}](): 0,
		reflect.TypeFor[[0]string](): 0, reflect.TypeFor[[3]struct{}](): 0, reflect.TypeFor[all](): unsafe.Sizeof(all{}),
	} {
		got, err := OfSameBinary(typ)
		if err != nil || got.Size != int(size) || (got.Bools != nil) != (typ == reflect.TypeFor[all]()) {
			t.Errorf("%v: %+v, %v", typ, got, err)
		}
		if _, err := OfType(typ); err == nil {
			t.Errorf("%v is taken in named shared memory", typ)
		}
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[uintptr](), reflect.TypeFor[struct{ mu sync.Mutex }](), reflect.TypeFor[[2]*int](),
	} {
		if got, err := OfSameBinary(typ); err == nil {
			t.Errorf("%v: %+v", typ, got)
		}
	}
}
