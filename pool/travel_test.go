package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"reflect"
	"slices"
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

// An emptied has empty and nil slices and maps in all positions.
type emptied struct {
	Bytes, NoBytes []byte
	Ints, NoInts   []int
	Texts, NoTexts []string
	Map, NoMap     map[string]int
	Deep           [2][][]int
	Of             map[string][]byte
	Any            any
	To, NoTo       *[]int64
}

// testEmpty sends empty, nil and other values of a type there and back in all ways.
func testEmpty[T any](t *testing.T, p *pool.Pool, echo *pool.Task[T, T], stream *pool.StreamTask[T, T], all ...T) {
	t.Helper()
	want := func(how string, i int, got T, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, all[i]) {
			t.Errorf("%s, %s: %#v arrives as %#v, %v", echo.Name(), how, all[i], got, err)
		}
	}
	for i, in := range all {
		got, err := pool.Apply(t.Context(), p, echo, in)
		want("Apply", i, got, err)
		f, err := pool.ApplyAsync(t.Context(), p, echo, in)
		if err == nil {
			got, err = f.Get(t.Context())
		}
		want("ApplyAsync", i, got, err)
		n := 0
		for got, err := range pool.Stream(t.Context(), p, stream, in) {
			if errors.Is(err, errors.ErrUnsupported) {
				n = 2
				break
			}
			want("Stream", i, got, err)
			n++
		}
		if n != 2 {
			t.Errorf("%s: %d values", echo.Name(), n)
		}
	}
	for _, chunk := range []int{1, 2, 100} {
		echo := echo.With(pool.TaskOptions{Chunk: chunk})
		got, err := pool.Map(t.Context(), p, echo, all)
		for i := range all {
			if len(got) != len(all) {
				t.Fatal(err)
			}
			want(fmt.Sprint("Map by ", chunk), i, got[i], err)
		}
		i := 0
		for got, err := range pool.IMap(t.Context(), p, echo, slices.Values(all)) {
			want(fmt.Sprint("IMap by ", chunk), i, got, err)
			i++
		}
	}
}

// echoes are a task that returns its argument, and one that yields it twice.
func echoes[T any](name string) (*pool.Task[T, T], *pool.StreamTask[T, T]) {
	return pool.Define("echo empty "+name, func(_ context.Context, v T) (T, error) { return v, nil }),
		pool.DefineStream("yield empty "+name, func(_ context.Context, v T) iter.Seq2[T, error] {
			return func(yield func(T, error) bool) {
				if yield(v, nil) {
					yield(v, nil)
				}
			}
		})
}

var (
	echoBytesE, yieldBytesE = echoes[[]byte]("bytes")
	echoBools, yieldBools   = echoes[[]bool]("bools")
	echoInts, yieldInts     = echoes[[]int]("ints")
	echoTexts, yieldTexts   = echoes[[]string]("texts")
	echoMap, yieldMap       = echoes[map[string]int]("map")
	echoDeep, yieldDeep     = echoes[[][]float64]("deep")
	echoNothing, yieldNone  = echoes[[]struct{}]("nothing")
	echoEmptied, yieldEmpty = echoes[emptied]("emptied")
	echoEmpties, yieldEmpts = echoes[[]emptied]("empties")
)

// What is empty arrives empty, and what is nil arrives nil: as a whole argument, result or value of
// a stream, alone and in chunks, and inside of others.
func TestEmptyIsNotNil(t *testing.T) {
	e := emptied{
		Bytes: []byte{}, Ints: []int{}, Texts: []string{}, Map: map[string]int{}, Deep: [2][][]int{{nil, {}, {1}}, {}},
		Of: map[string][]byte{"nil": nil, "empty": {}, "one": {1}}, Any: map[string]any{"empty": []any{}, "map": map[string]any{}}, To: &[]int64{},
	}
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		testEmpty(t, p, echoBytesE, yieldBytesE, []byte{}, nil, []byte{0}, []byte{}, []byte{1, 2}, nil)
		testEmpty(t, p, echoBools, yieldBools, []bool{}, nil, []bool{true}, nil)
		testEmpty(t, p, echoInts, yieldInts, nil, []int{}, []int{0}, []int{}, nil, make([]int, 1000))
		testEmpty(t, p, echoTexts, yieldTexts, []string{}, nil, []string{""})
		testEmpty(t, p, echoMap, yieldMap, map[string]int{}, nil, map[string]int{"": 0})
		testEmpty(t, p, echoDeep, yieldDeep, [][]float64{}, nil, [][]float64{{}, nil, {0}})
		testEmpty(t, p, echoNothing, yieldNone, []struct{}{}, nil, []struct{}{{}})
		testEmpty(t, p, echoEmptied, yieldEmpty, emptied{}, e)
		testEmpty(t, p, echoEmpties, yieldEmpts, nil, []emptied{}, []emptied{{}, e})
	})
}

// saysEmpty is a resource of which the value says how its argument has arrived.
var saysEmpty = pool.DefineResource("says empty", func(_ context.Context, b []byte) (string, func() error, error) {
	return fmt.Sprint(b == nil, len(b)), nil, nil
})

var sayEmpty = pool.Define("say empty", func(ctx context.Context, _ struct{}) (string, error) { return saysEmpty.Get(ctx), nil })

// The same for the arguments of resources and of a Process.
func TestEmptyElsewhere(t *testing.T) {
	for _, b := range [][]byte{nil, {}, {1}} {
		want := fmt.Sprint(b == nil, len(b))
		eachOwnKind(t, func(t *testing.T, newPool makePool) {
			p := newPool(pool.Options{Workers: 1, Resources: []pool.AnyResource{saysEmpty.With(b)}})
			if got, err := pool.Apply(t.Context(), p, sayEmpty, struct{}{}); got != want || err != nil {
				t.Errorf("resource: %s is %s, %v", want, got, err)
			}
		})
		var out bytes.Buffer
		child, err := process.Start(t.Context(), printEmpty, b, process.Options{Stdout: &out})
		if err == nil {
			err = child.Join(t.Context())
		}
		if out.String() != want || err != nil {
			t.Errorf("process: %s is %s, %v", want, out.String(), err)
		}
	}
}

var printEmpty = pool.Define("print empty", func(_ context.Context, b []byte) (any, error) {
	fmt.Print(b == nil, " ", len(b))
	return nil, nil
})
