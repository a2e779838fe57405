package task

import (
	"cmp"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strconv"

	wire "github.com/shmkit/shmkit/internal/codec"
)

// All returns the tasks that this process knows, by name.
func All() []*Handler {
	handlersMu.RLock()
	defer handlersMu.RUnlock()
	return slices.SortedFunc(maps.Values(handlers), func(a, b *Handler) int { return cmp.Compare(a.Name, b.Name) })
}

// Signature tells tasks of other programs apart: two that have the same one have the same name, and
// arguments and results of types that are laid out alike, on processors for which they are.
func (h *Handler) Signature() uint64 { return h.signature() }

// signatureOf returns the signature of a task with these types.
func signatureOf(name string, types ...reflect.Type) uint64 {
	d := description{to: fnv.New64a(), seen: map[reflect.Type]int{}}
	fmt.Fprintf(d.to, "%q %s %d", name, runtime.GOARCH, strconv.IntSize)
	for _, t := range types {
		d.add(t)
	}
	return d.to.Sum64()
}

// A description is what a signature is made of.
type description struct {
	to   hash.Hash64
	seen map[reflect.Type]int // types that are described already, by their order
}

// add describes a type: its name, its kind, and what it consists of. Of a type that writes itself
// the name says all there is to know.
func (d *description) add(t reflect.Type) {
	if n, ok := d.seen[t]; ok {
		fmt.Fprintf(d.to, " #%d", n)
		return
	}
	d.seen[t] = len(d.seen)
	fmt.Fprintf(d.to, " %s.%s %s", t.PkgPath(), t.Name(), t.Kind())
	if wire.WritesItself(t) {
		io.WriteString(d.to, " itself")
		return
	}
	switch t.Kind() {
	case reflect.Array:
		fmt.Fprintf(d.to, " %d", t.Len())
		d.add(t.Elem())
	case reflect.Map:
		d.add(t.Key())
		d.add(t.Elem())
	case reflect.Pointer, reflect.Slice:
		d.add(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			fmt.Fprintf(d.to, " %q %q", f.Name, f.Tag)
			d.add(f.Type)
		}
	}
}
