package logwire

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/shmkit/shmkit/internal/guard"
)

// A printed is an attribute's value of a kind that slog does not know, as it came from another
// process: what a [slog.TextHandler] and a [slog.JSONHandler] print for it there. These handlers
// print it here by its methods.
type printed struct {
	text string
	json string
}

// String returns the text.
func (v printed) String() string { return v.text }

// MarshalText returns the text.
func (v printed) MarshalText() ([]byte, error) { return []byte(v.text), nil }

// MarshalJSON returns the JSON.
func (v printed) MarshalJSON() ([]byte, error) { return []byte(v.json), nil }

// printedOf prints a value for both handlers. Whatever its methods do, it returns.
func printedOf(v any) printed {
	return printed{text: guarded(v, textOfAny, asItIs), json: guarded(v, jsonOfAny, quoted)}
}

// textOfAny is what a TextHandler prints for v before it quotes it.
func textOfAny(v any) (string, error) {
	if m, ok := v.(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return string(b), err
	}
	if t := reflect.TypeOf(v); t != nil && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		return string(reflect.ValueOf(v).Bytes()), nil
	}
	switch v.(type) {
	case error, fmt.Stringer, fmt.Formatter: // fmt asks the value itself
	default:
		if isEndless(reflect.ValueOf(v), 0) {
			return "", fmt.Errorf("a %T that contains itself, or is nested more than %d deep", v, maxDepth)
		}
	}
	return fmt.Sprintf("%+v", v), nil
}

// jsonOfAny is what a JSONHandler prints for v.
func jsonOfAny(v any) (string, error) {
	if err, ok := v.(error); ok {
		if _, ok := v.(json.Marshaler); !ok {
			return quoted(err.Error()), nil
		}
	}
	return marshaled(v)
}

// marshaled is v as JSON on one line, with < and > as they are.
func marshaled(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// quoted is a text as JSON.
func quoted(text string) string {
	s, _ := marshaled(text) // every text has one
	return s
}

func asItIs(text string) string { return text }

// guarded is what print makes of v, or, as the standard handlers have it, why it does not, in the
// form that quote gives it. An error and a panic of a method must not cost the program its record.
func guarded(v any, print func(any) (string, error), quote func(string) string) (text string) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case reflect.ValueOf(v).Kind() == reflect.Pointer && reflect.ValueOf(v).IsNil():
			text = quote("<nil>") // its method does not expect that
		default:
			text = quote(guard.Text(func() string { return fmt.Sprintf("!PANIC: %v", p) }))
		}
	}()
	text, err := print(v)
	if err != nil {
		return quote(guard.Text(func() string { return fmt.Sprintf("!ERROR:%v", err) }))
	}
	return text
}

// isEndless says that fmt would print v without end, or very deep. Like fmt it follows a pointer
// only at the outside.
func isEndless(v reflect.Value, depth int) bool {
	if depth > maxDepth {
		return true
	}
	switch v.Kind() {
	case reflect.Interface:
		return isEndless(v.Elem(), depth+1)
	case reflect.Pointer:
		return depth == 0 && isEndless(v.Elem(), 1)
	case reflect.Slice, reflect.Array:
		if isFlat(v.Type().Elem()) {
			return false
		}
		for i := range v.Len() {
			if isEndless(v.Index(i), depth+1) {
				return true
			}
		}
	case reflect.Map:
		if isFlat(v.Type().Elem()) {
			return false // keys do not contain maps, slices, or themselves
		}
		for it := v.MapRange(); it.Next(); {
			if isEndless(it.Value(), depth+1) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if isEndless(v.Field(i), depth+1) {
				return true
			}
		}
	}
	return false
}

// isFlat says that values of t contain no others.
func isFlat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return false
	}
	return true
}
