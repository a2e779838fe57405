package elem

import (
	"fmt"
	"reflect"
	"time"

	"github.com/shmkit/shmkit/internal/public"
)

// UnsupportedTypeError says that a Go type cannot be an element of shared memory.
type UnsupportedTypeError struct {
	Type   reflect.Type // the type that is refused: that of the field, when a field is
	Path   string       // where it is: "Point.Name", with [] for the element of an array
	Reason string       // why, and what to use instead; follows the name of the type in a sentence
}

// Error returns a text such as "Point.Name: string has no fixed size; use …".
func (e *UnsupportedTypeError) Error() string {
	if e.Type == nil || e.Type.String() == e.Path {
		return fmt.Sprintf("%s %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("%s: %s %s", e.Path, e.Type, e.Reason)
}

// As lets [errors.As] find the type that users know e by.
func (e *UnsupportedTypeError) As(target any) bool { return public.As(e, target) }

// Is reports whether target is e, as As has found it.
func (e *UnsupportedTypeError) Is(target error) bool { return public.Is(e, target) }

// Reasons of refusal that depend on more than the kind of the type.
const (
	noBytes       = "has no bytes to share; remove it or name it _"
	noTime        = "holds the address of its zone, which means nothing in another process; store UnixNano of it as an int64"
	oneProcess    = "works inside one process only; use the shared one of package shmsync"
	tooDeep       = "has too many structs within structs"
	tooLarge      = "is larger than 1 TiB"
	tooManyFields = "has too many fields; use an array"
)

var reasons = map[reflect.Kind]string{
	reflect.Int:           "has another size on other machines; use int64 or int32",
	reflect.Uint:          "has another size on other machines; use uint64 or uint32",
	reflect.Uintptr:       "holds an address, which means nothing in another process; use an offset in a uint64",
	reflect.UnsafePointer: "holds an address, which means nothing in another process; use an offset in a uint64",
	reflect.Pointer:       "holds an address, which means nothing in another process; use the index of an array element",
	reflect.String:        "has no fixed size; use a byte array, such as [64]byte, and a length, or pass it through a queue.Objects or queue.Bytes",
	reflect.Slice:         "has no fixed size; use an array and a length, or pass it through a queue.Objects or queue.Bytes",
	reflect.Map:           "has no fixed size; use an array of structs of key and value, or pass it through a queue.Objects",
	reflect.Chan:          "works inside one process only; use a queue",
	reflect.Func:          "is code of one process; use a number that selects it",
	reflect.Interface:     "can hold a value of any type; use one fixed-size type",
}

// refusal returns the reason why t cannot be shared, or "" if it can. t must not be an array with
// elements; refusal does not look at the fields of a struct.
func refusal(t reflect.Type) string {
	if reason := reasons[t.Kind()]; reason != "" {
		return reason
	}
	if t.Size() == 0 {
		return noBytes
	}
	if t == reflect.TypeFor[time.Time]() {
		return noTime
	}
	// The locks of package sync have a fixed size, but sleep on memory of their own process.
	if pkg := t.PkgPath(); pkg == "sync" || pkg == "internal/sync" {
		return oneProcess
	}
	return ""
}
