//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shm"
)

type session struct {
	User  string
	Roles []string
}

type dozen [12]int64

type cell struct{ X, Y int32 }

// useDict tries all methods of one Dict of each way in which keys and values lie in memory.
func useDict[K comparable, V any](t *testing.T, o shm.DictOptions, keys []K, values []V, equal func(a, b V) bool) {
	t.Helper()
	seg := newSegment(t, shm.Options{Size: 4 << 20})
	d := need(shm.NewDict[K, V](seg, "d", o))
	if _, ok, err := d.Get(keys[0]); ok || err != nil {
		t.Errorf("an empty Dict: %v, %v", ok, err)
	}
	for i, k := range keys {
		wantOK(t, d.Set(background, k, values[i%len(values)]))
	}
	again := need(shm.OpenDict[K, V](seg, "d"))
	var sent shm.Dict[K, V]
	wantOK(t, sent.UnmarshalBinary(need(d.MarshalBinary())))
	for i, k := range keys {
		for _, h := range []*shm.Dict[K, V]{d, again, &sent} {
			if v, ok, err := h.Get(k); !ok || err != nil || !equal(v, values[i%len(values)]) {
				t.Errorf("key %v: %v, %v, %v", k, v, ok, err)
			}
		}
	}
	got := map[K]V{}
	maps.Insert(got, d.All())
	n := 0
	for range d.Keys() {
		n++
	}
	if len(got) != len(keys) || d.Len() != len(keys) || n != len(keys) || d.Stats().Keys != len(keys) {
		t.Errorf("All yields %d keys, Keys %d, Len is %d, want %d", len(got), n, d.Len(), len(keys))
	}
	changeDict(t, d, keys[0], keys[1], values[0], values[1], equal)
	wantOK(t, d.Clear(background))
	if d.Len() != 0 {
		t.Errorf("%d keys after Clear", d.Len())
	}
}

// changeDict tries each method that changes a key; a is the value of k, and other is there, too.
func changeDict[K comparable, V any](t *testing.T, d *shm.Dict[K, V], k, other K, a, b V, equal func(a, b V) bool) {
	t.Helper()
	want := func(what string, v V, ok bool, err error, wantV V, wantOK bool) {
		t.Helper()
		if err != nil || ok != wantOK || wantOK && !equal(v, wantV) {
			t.Errorf("%s: %v, %v, %v, want %v, %v", what, v, ok, err, wantV, wantOK)
		}
	}
	v, ok, err := d.Swap(background, k, b)
	want("Swap", v, ok, err, a, true)
	v, ok, err = d.Take(background, k)
	want("Take", v, ok, err, b, true)
	v, ok, err = d.Take(background, k)
	want("second Take", v, ok, err, b, false)
	v, ok, err = d.GetOrSet(background, k, a)
	want("GetOrSet of none", v, true, err, a, true)
	if ok {
		t.Error("GetOrSet found what was taken")
	}
	v, ok, err = d.GetOrSet(background, k, b)
	want("GetOrSet", v, ok, err, a, true)
	v, err = d.Update(background, k, func(old V, ok bool) (V, error) {
		want("old of Update", old, ok, nil, a, true)
		_, _, err := d.Get(other) // f may use the Dict
		return b, err
	})
	want("Update", v, true, err, b, true)
	if _, err := d.Update(background, k, func(V, bool) (V, error) { return a, errMine }); err != errMine {
		t.Errorf("Update with an error: %v", err)
	}
	v, ok, err = d.Get(k)
	want("Get after Update", v, ok, err, b, true)
	ok, err = d.Delete(background, k)
	want("Delete", v, ok, err, v, true)
	ok, err = d.Delete(background, k)
	want("second Delete", v, ok, err, v, false)
	for range 2 {
		v, err = d.Do(background, k, func(context.Context) (V, error) { return a, nil })
		want("Do", v, true, err, a, true)
	}
}

func equalTo[V comparable](a, b V) bool { return a == b }

func deep[V any](a, b V) bool { return reflect.DeepEqual(a, b) }

func TestDictOfEachForm(t *testing.T) {
	texts := []string{"", "a", "b\x00c", strings.Repeat("long", 20000)}
	numbers := []int64{-1, 0, 1, math.MaxInt64}
	t.Run("strings", func(t *testing.T) { useDict(t, shm.DictOptions{}, texts[:3], texts, equalTo) })
	t.Run("inline words", func(t *testing.T) { useDict(t, shm.DictOptions{}, numbers, numbers, equalTo) })
	t.Run("words with a life", func(t *testing.T) {
		useDict(t, shm.DictOptions{TTL: time.Hour}, numbers, numbers, equalTo)
	})
	t.Run("small words", func(t *testing.T) {
		useDict(t, shm.DictOptions{}, []uint8{0, 1, 255}, []bool{true, false}, equalTo)
	})
	t.Run("structs", func(t *testing.T) {
		useDict(t, shm.DictOptions{MaxBytes: 1 << 20}, []cell{{1, 2}, {2, 1}, {}}, []dozen{{1}, {2, 3}}, equalTo)
	})
	t.Run("bytes", func(t *testing.T) {
		useDict(t, shm.DictOptions{Capacity: 5000}, []string{"x", "y"}, [][]byte{{1, 2, 3}, {}}, deep)
	})
	t.Run("objects", func(t *testing.T) {
		useDict(t, shm.DictOptions{}, [][2]uint32{{1, 2}, {3, 4}}, []session{{"ann", []string{"r", "w"}}, {"bob", nil}}, deep)
	})
}

func TestDictRefusesTypes(t *testing.T) {
	seg := newSegment(t, small)
	for _, c := range []struct {
		open  func() error
		wants string
	}{
		{func() error { _, err := shm.NewDict[float64, int64](seg, "d", shm.DictOptions{}); return err }, "Float64bits"},
		{func() error { _, err := shm.NewDict[int, int64](seg, "d", shm.DictOptions{}); return err }, "use int64"},
		{func() error {
			_, err := shm.NewDict[struct {
				A uint8
				B uint32
			}, int64](seg, "d", shm.DictOptions{})
			return err
		}, "the bytes before B are not defined"},
		{func() error {
			_, err := shm.NewDict[struct{ In [2]struct{ F float32 } }, int64](seg, "d", shm.DictOptions{})
			return err
		}, ".In[].F"},
		{func() error { _, err := shm.NewDict[string, chan int](seg, "d", shm.DictOptions{}); return err }, "chan int"},
	} {
		if err := c.open(); err == nil || !strings.Contains(err.Error(), c.wants) {
			t.Errorf("%v, want an error with %q", err, c.wants)
		}
	}
	need(shm.NewDict[string, int64](seg, "d", shm.DictOptions{}))
	var differs *shm.MismatchError
	if _, err := shm.OpenDict[string, uint64](seg, "d"); !errors.As(err, &differs) || !strings.Contains(err.Error(), "value: element: int64") {
		t.Errorf("a Dict of other values: %v", err)
	}
	if _, err := shm.NewDict[int64, int64](seg, "d", shm.DictOptions{}); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a Dict of other keys: %v", err)
	}
	if _, err := shm.NewDict[string, int64](seg, "d", shm.DictOptions{Capacity: 1 << 20}); err != nil {
		t.Errorf("options matter for a Dict that is there: %v", err)
	}
	for _, o := range []shm.DictOptions{{Capacity: -1}, {MaxBytes: 1}, {MaxBytes: -1}, {TTL: -1}} {
		if _, err := shm.NewDict[string, int64](seg, "e", o); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// What can never fit is another error than a lack of space; the key stays as it is.
func TestDictErrors(t *testing.T) {
	seg := newSegment(t, small)
	d := need(shm.NewDict[string, string](seg, "d", shm.DictOptions{}))
	wantOK(t, d.Set(background, "a", "old"))
	if err := d.Set(background, strings.Repeat("k", 1<<16), "v"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a key of 64 KiB: %v", err)
	}
	var full *shm.NoSpaceError
	if err := d.Set(background, "a", strings.Repeat("v", 1<<20)); !errors.As(err, &full) || errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a value larger than the segment: %v", err)
	}
	bounded := need(shm.NewDict[string, string](seg, "bounded", shm.DictOptions{MaxBytes: 128 << 10}))
	if err := bounded.Set(background, "a", strings.Repeat("v", 64<<10)); !errors.Is(err, fs.ErrInvalid) || errors.As(err, &full) {
		t.Errorf("a value larger than a quarter of the bound: %v", err)
	}
	if v, _, err := d.Get("a"); v != "old" || err != nil {
		t.Errorf("the key is %q, %v", v, err)
	}
	words := need(shm.NewDict[int64, int64](seg, "words", shm.DictOptions{}))
	if err := words.SetFor(background, 1, 2, time.Hour); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a life of inline words: %v", err)
	}
	wantOK(t, words.SetFor(background, 1, 2, 0))
	if err := d.SetFor(background, "a", "b", -1); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a negative life: %v", err)
	}
	wantOK(t, d.Detach())
	if err := d.Set(background, "a", "b"); !errors.Is(err, shm.ErrClosed) {
		t.Errorf("Set after Detach: %v", err)
	}
	if _, ok, err := d.Get("a"); ok || !errors.Is(err, shm.ErrClosed) {
		t.Errorf("Get after Detach: %v, %v", ok, err)
	}
	if n := d.Len(); n != 0 {
		t.Errorf("Len after Detach: %d", n)
	}
	for k := range d.All() {
		t.Errorf("All after Detach yields %q", k)
	}
}

func TestDictCompareAndSwap(t *testing.T) {
	seg := newSegment(t, small)
	d := need(shm.NewDict[string, cell](seg, "d", shm.DictOptions{}))
	for _, c := range []struct {
		old, next cell
		want      bool
	}{{cell{}, cell{1, 1}, false}, {cell{5, 5}, cell{1, 2}, true}, {cell{5, 5}, cell{1, 3}, false}} {
		swapped, err := shm.CompareAndSwap(background, d, "a", c.old, c.next)
		if swapped != c.want || err != nil {
			t.Errorf("%v: %v, %v, want %v", c, swapped, err, c.want)
		}
		if c.old == (cell{}) {
			wantOK(t, d.Set(background, "a", cell{5, 5}))
		}
	}
}

func TestDictAdd(t *testing.T) {
	seg := newSegment(t, small)
	small := need(shm.NewDict[uint32, int8](seg, "small", shm.DictOptions{}))
	texts := need(shm.NewDict[string, uint64](seg, "texts", shm.DictOptions{TTL: time.Hour}))
	for i := range 3 {
		if n, err := shm.Add(background, small, 7, -50); n != []int8{-50, -100, 106}[i] || err != nil {
			t.Errorf("sum %d: %d, %v", i, n, err)
		}
		if n, err := shm.Add(background, texts, "k", math.MaxUint64); n != -uint64(i+1) || err != nil {
			t.Errorf("sum %d: %d, %v", i, n, err)
		}
	}
	if v, ok, err := small.Get(7); v != 106 || !ok || err != nil {
		t.Error(v, ok, err)
	}
}

func TestDictAppendGet(t *testing.T) {
	seg := newSegment(t, small)
	d := need(shm.NewDict[string, string](seg, "d", shm.DictOptions{}))
	wantOK(t, d.Set(background, "a", "value"))
	b, ok, err := shm.AppendGet(d, []byte("the "), "a")
	if string(b) != "the value" || !ok || err != nil {
		t.Errorf("%q, %v, %v", b, ok, err)
	}
	if b, ok, err = shm.AppendGet(d, b[:4], "b"); string(b) != "the " || ok || err != nil {
		t.Errorf("%q, %v, %v", b, ok, err)
	}
	words := need(shm.NewDict[int64, int64](seg, "w", shm.DictOptions{}))
	points := need(shm.NewDict[string, cell](seg, "p", shm.DictOptions{}))
	for name, f := range map[string]func(){
		"AppendGet":   func() { b, _, _ = shm.AppendGet(d, b[:0], "a") },
		"Set":         func() { must(d.Set(background, "a", "value")) },
		"words.Set":   func() { must(words.Set(background, 1, 2)) },
		"words.Get":   func() { words.Get(1) },
		"words.Add":   func() { shm.Add(background, words, 1, 2) },
		"points.Set":  func() { must(points.Set(background, "a", cell{1, 2})) },
		"points.Get":  func() { points.Get("a") },
		"Get of none": func() { d.Get("none") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// A removed Dict works on for the processes that have it open, and its memory comes back.
func TestRemovedDict(t *testing.T) {
	seg := newSegment(t, small)
	for range 20 {
		d := need(shm.NewDict[string, string](seg, "d", shm.DictOptions{}))
		for i := range 200 {
			wantOK(t, d.Set(background, fmt.Sprint(i), strings.Repeat("v", 1000)))
		}
		wantOK(t, seg.RemoveObject("d"))
		if v, ok, err := d.Get("7"); len(v) != 1000 || !ok || err != nil {
			t.Fatal(v, ok, err)
		}
		wantOK(t, d.Detach())
	}
}
