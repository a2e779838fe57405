package task

import (
	"reflect"
	"testing"
	"time"
)

type list struct {
	Value int
	Next  *list
}

// The signature of a task is that of its name and its types, down to the fields.
func TestSignature(t *testing.T) {
	type point struct{ X, Y float64 }
	sig := func(name string, values ...any) uint64 {
		var types []reflect.Type
		for _, v := range values {
			types = append(types, reflect.TypeOf(v))
		}
		return signatureOf(name, types...)
	}
	all := map[uint64]string{}
	for what, got := range map[string]uint64{
		"int":                 sig("a", 1, 1),
		"other name":          sig("b", 1, 1),
		"other result":        sig("a", 1, int64(1)),
		"turned":              sig("a", int64(1), 1),
		"named":               sig("a", time.Duration(1), 1),
		"struct":              sig("a", point{}, 1),
		"field of other name": sig("a", struct{ X, Z float64 }{}, 1),
		"field of other type": sig("a", struct{ X, Y float32 }{}, 1),
		"one field more":      sig("a", struct{ X, Y, Z float64 }{}, 1),
		"field with a tag": sig("a", struct {
			X float64 `cbor:"x"`
			Y float64
		}{}, 1),
		"unnamed struct": sig("a", struct{ X, Y float64 }{}, 1),
		"recursive":      sig("a", list{}, 1),
		"array":          sig("a", [2]int{}, 1),
		"longer array":   sig("a", [3]int{}, 1),
		"slice":          sig("a", []int{}, 1),
		"map":            sig("a", map[int]string{}, 1),
		"turned map":     sig("a", map[string]int{}, 1),
		"pointer":        sig("a", new(int), 1),
		"writes itself":  sig("a", time.Time{}, 1),
	} {
		if other, ok := all[got]; ok {
			t.Errorf("%s has the signature of %s", what, other)
		}
		all[got] = what
	}
	if first, second := sig("a", list{}, 1), sig("a", list{}, 1); first != second {
		t.Error("two signatures of one task")
	}
}
