package elem

import (
	"fmt"
	"strings"
)

// What a container holds is described like a Go type: map[K]V, or V alone. K and V are formats, or
// one of these names of what has no fixed size.
const (
	StringName = "string" // bytes of UTF-8, mostly
	BytesName  = "bytes"
	CodecName  = "cbor" // what package codec writes
)

// ContainerFormat describes a container of values, with keys if key is not "".
func ContainerFormat(key, value string) string {
	if key == "" {
		return value
	}
	return "map[" + key + "]" + value
}

// DiffContainer is [Diff] for the descriptions of containers.
func DiffContainer(have, want string) string {
	if have == want {
		return ""
	}
	haveKey, haveValue := cutContainer(have)
	wantKey, wantValue := cutContainer(want)
	if d := diffPart(haveKey, wantKey); d != "" {
		return "key: " + d
	}
	if d := diffPart(haveValue, wantValue); d != "" {
		return "value: " + d
	}
	return ""
}

func cutContainer(format string) (key, value string) {
	rest, isMap := strings.CutPrefix(format, "map[")
	if key, value, ok := strings.Cut(rest, "]"); isMap && ok {
		return key, value
	}
	return "", format
}

// diffPart compares a key or a value.
func diffPart(have, want string) string {
	switch {
	case have == want:
		return ""
	case isName(have) || isName(want):
		return fmt.Sprintf("%.100s in the segment, %.100s here", have, want)
	}
	return Diff(have, want)
}

func isName(part string) bool {
	return part == "" || part == StringName || part == BytesName || part == CodecName
}
