package codec

import (
	"reflect"
	"regexp"
	"strings"
)

const notExported = " is not exported and would be lost: export it, or give its struct MarshalBinary and UnmarshalBinary"

// refusals are why values of some kinds cannot travel.
var refusals = map[reflect.Kind]string{
	reflect.Chan:          "works inside one process only: use a queue of the module",
	reflect.Func:          "is code of one process: use a name that selects it",
	reflect.UnsafePointer: "is an address, which means nothing in another process",
	reflect.Uintptr:       "is an address, which means nothing in another process: use uint64 for a number",
}

// refusal says why t cannot travel, whatever it contains, or gives "".
func refusal(t reflect.Type) string {
	if reason := refusals[t.Kind()]; reason != "" {
		return reason
	}
	switch {
	case t.Kind() == reflect.Interface && t.NumMethod() > 0:
		return "is an interface with methods, whose values cannot be made again: use a concrete type, or a text"
	case t == reflect.TypeFor[regexp.Regexp]():
		return "would lose how it matches: send its String and compile it there"
	case t.PkgPath() == "sync":
		return "works inside one process only: use the shared one of package shmsync"
	}
	return ""
}

// rootName is how a path calls the type that it begins with.
func rootName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	if name, _, _ := strings.Cut(t.Name(), "["); name != "" {
		return name
	}
	return t.Kind().String()
}
