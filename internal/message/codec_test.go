package message

import (
	"reflect"
	"testing"

	"github.com/shmkit/shmkit/internal/race"
)

type point struct {
	X, Y int32
	Near bool
}

func travel[T any](t *testing.T, v T, signature string) {
	t.Helper()
	c, err := For[T]()
	if err != nil {
		t.Fatal(err)
	}
	if signature != "" && c.Signature() != signature {
		t.Errorf("%T: signature %q, want %q", v, c.Signature(), signature)
	}
	b, err := c.Encode(&v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Decode(b)
	if err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("%v became %v, error %v", v, got, err)
	}
	if !c.IsWire() && len(b) > 1 {
		if _, err := c.Decode(b[1:]); err == nil {
			t.Errorf("%T: a part was decoded", v)
		}
	}
}

func TestValuesTravel(t *testing.T) {
	travel(t, int64(-5), "<q")
	travel(t, [3]uint16{1, 2, 3}, "")
	travel(t, point{1, 2, true}, "")
	travel(t, []point{{1, 2, true}, {3, 4, false}}, "")
	travel(t, []float32(nil), "")
	travel(t, []float32{}, "")
	travel(t, []byte(nil), "")
	travel(t, []byte{}, "")
	travel(t, []string(nil), "cbor")
	travel(t, []string{}, "cbor")
	travel(t, 7, "cbor") // an int has another size elsewhere
	travel(t, map[string][]int{"a": {1}}, "cbor")
	travel(t, struct{}{}, "cbor")
}

// A byte that is no bool does not become one that is neither true nor false.
func TestBoolsAreMended(t *testing.T) {
	c, _ := For[point]()
	v := point{Near: true}
	b, _ := c.Encode(&v)
	garbage := append([]byte(nil), b...)
	garbage[8] = 7
	got, err := c.Decode(garbage)
	again, _ := c.Encode(&got)
	if err != nil || again[8] > 1 {
		t.Errorf("a bool of %d, error %v", again[8], err)
	}
}

func TestRefusedTypes(t *testing.T) {
	if _, err := For[chan int](); err == nil {
		t.Error("a channel travels")
	}
}

type panics struct{}

func (panics) MarshalBinary() ([]byte, error)  { panic("on purpose") }
func (*panics) UnmarshalBinary(b []byte) error { panic("on purpose") }

func TestPanicsAreErrors(t *testing.T) {
	c, err := For[panics]()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Encode(new(panics)); err == nil {
		t.Error("no error of Encode")
	}
	if _, err := c.Decode([]byte{0x40}); err == nil {
		t.Error("no error of Decode")
	}
}

func TestFixedSizeDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	c, _ := For[point]()
	v := point{X: 1}
	var got point
	if n := testing.AllocsPerRun(100, func() {
		b, _ := c.Encode(&v)
		got, _ = c.Decode(b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got != v {
		t.Error(got)
	}
}
