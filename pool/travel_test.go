package pool_test

import (
	"context"
	"fmt"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// A shipment has fields that codecs like to change.
type shipment struct {
	When   time.Time
	Exact  *big.Float
	Ratio  *big.Rat
	Any    map[string]any
	Nil    []string
	Empty  []string
	Double **int
	Z      complex128
}

var echoParcel = pool.Define("echo shipment", func(_ context.Context, p shipment) (shipment, error) { return p, nil })

// What is sent to another process and back is equal to what it was.
func TestTravelsWhole(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Kathmandu")
	if err != nil {
		zone = time.FixedZone("+0545", 20700)
	}
	one := 1
	pointer := &one
	in := shipment{
		When: time.Date(2024, 5, 6, 7, 8, 9, 10, zone), Exact: new(big.Float).SetPrec(300).Quo(big.NewFloat(1), big.NewFloat(3)), Ratio: big.NewRat(1, 3),
		Any:   map[string]any{"a": 1, "b": map[string]any{"c": []any{uint8(2), time.Second, place{3, 4}}}},
		Empty: []string{}, Double: &pointer, Z: 1 - 2i,
	}
	eachKind(t, func(t *testing.T, newPool makePool) {
		out, err := pool.Apply(t.Context(), newPool(pool.Options{Workers: 1}), echoParcel, in)
		if err != nil || !reflect.DeepEqual(out, in) {
			t.Errorf("%+v arrives as %+v, %v", in, out, err)
		}
	})
}

// place is known because a task has it in its type.
type place struct{ X, Y int }

var _ = pool.Define("places given", func(_ context.Context, p []place) (int, error) { return len(p), nil })

type knot struct {
	Name string
	Next *knot
}

func tied() *knot {
	k := &knot{Name: "a"}
	k.Next = &knot{"b", k}
	return k
}

var tie = pool.Define("tie", func(_ context.Context, k *knot) (*knot, error) {
	if k == nil {
		return tied(), nil
	}
	return k, nil
})

// A value that contains itself is an error where it is sent: of the caller, or of the task; the
// worker goes on.
func TestCyclicValues(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		_, err := pool.Apply(t.Context(), p, tie, tied())
		wantWords(t, err, `"tie"`, "argument", "cycle")
		_, err = pool.Apply(t.Context(), p, tie, nil)
		wantWords(t, err, `"tie"`, "result", "cycle")
		if k, err := pool.Apply(t.Context(), p, tie, &knot{"a", &knot{Name: "b"}}); err != nil || k.Next.Name != "b" {
			t.Errorf("%v, %v", k, err)
		}
	})
	_, err := process.Start(t.Context(), tie, tied(), process.Options{})
	wantWords(t, err, "cycle")
}

// Define says which field would arrive changed.
func TestDefineNamesTheField(t *testing.T) {
	type inner struct {
		S    string
		done bool
	}
	type outer struct {
		List []map[string]inner
	}
	_ = inner{done: true}
	for path, define := range map[string]func(){
		"argument: outer.List[][].done is not exported": func() {
			pool.Define("bad 3", func(context.Context, outer) (int, error) { return 0, nil })
		},
		"result: error: error is an interface": func() {
			pool.Define("bad 4", func(context.Context, int) (error, error) { return nil, nil })
		},
	} {
		func() {
			defer func() { wantWords(t, fmt.Errorf("%v", recover()), "pool.Define", path) }()
			define()
		}()
	}
}
