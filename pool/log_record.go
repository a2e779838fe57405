package pool

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	wire "github.com/shmkit/shmkit/internal/codec"
)

// A logRecord is a record as it travels.
type logRecord struct {
	Time    time.Time
	Level   slog.Level
	Message string
	Process string
	Attrs   []logAttr
}

// A logAttr is an attribute as it travels. Its kind says which field has the value.
type logAttr struct {
	Key   string
	Kind  slog.Kind
	Text  string    `cbor:",omitempty"`
	Bits  uint64    `cbor:",omitempty"` // numbers, durations and bools
	Time  time.Time `cbor:",omitzero"`
	Group []logAttr `cbor:",omitempty"`
	Any   []byte    `cbor:",omitempty"` // encoded
}

func logAttrsOf(attrs []slog.Attr) []logAttr {
	out := make([]logAttr, len(attrs))
	for i, a := range attrs {
		out[i] = logAttrOf(a)
	}
	return out
}

func logAttrOf(a slog.Attr) logAttr {
	v := a.Value.Resolve()
	out := logAttr{Key: a.Key, Kind: v.Kind()}
	switch v.Kind() {
	case slog.KindString:
		out.Text = v.String()
	case slog.KindInt64:
		out.Bits = uint64(v.Int64())
	case slog.KindUint64:
		out.Bits = v.Uint64()
	case slog.KindFloat64:
		out.Bits = math.Float64bits(v.Float64())
	case slog.KindDuration:
		out.Bits = uint64(v.Duration())
	case slog.KindBool:
		if v.Bool() {
			out.Bits = 1
		}
	case slog.KindTime:
		out.Time = v.Time()
	case slog.KindGroup:
		out.Group = logAttrsOf(v.Group())
	default:
		out.setAny(v.Any())
	}
	return out
}

// setAny takes what the codec makes of a value, or its text. An error, and what prints itself, is its text.
func (a *logAttr) setAny(v any) {
	a.Kind = slog.KindString
	switch v := v.(type) {
	case error:
		a.Text = textOf(v.Error)
		return
	case fmt.Stringer:
		a.Text = textOf(v.String)
		return
	}
	b, err := wire.Encode(v)
	if err != nil {
		a.Text = textOf(func() string { return fmt.Sprintf("%+v", v) })
		return
	}
	a.Kind, a.Any = slog.KindAny, b
}

// textOf is what a method of a user returns. A panic there must not cost the program its record.
func textOf(f func() string) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	return f()
}

// attrs are the attributes for the handler of the listener.
func attrsOf(in []logAttr) []slog.Attr {
	out := make([]slog.Attr, len(in))
	for i, a := range in {
		out[i] = slog.Attr{Key: a.Key, Value: a.value()}
	}
	return out
}

func (a logAttr) value() slog.Value {
	switch a.Kind {
	case slog.KindString:
		return slog.StringValue(a.Text)
	case slog.KindInt64:
		return slog.Int64Value(int64(a.Bits))
	case slog.KindUint64:
		return slog.Uint64Value(a.Bits)
	case slog.KindFloat64:
		return slog.Float64Value(math.Float64frombits(a.Bits))
	case slog.KindDuration:
		return slog.DurationValue(time.Duration(a.Bits))
	case slog.KindBool:
		return slog.BoolValue(a.Bits != 0)
	case slog.KindTime:
		return slog.TimeValue(a.Time)
	case slog.KindGroup:
		return slog.GroupValue(attrsOf(a.Group)...)
	case slog.KindAny:
		var v any
		if err := wire.Decode(a.Any, &v); err != nil {
			return slog.StringValue(fmt.Sprintf("!ERROR: %v", err))
		}
		return slog.AnyValue(readable(v))
	}
	return slog.StringValue(fmt.Sprintf("!ERROR: a value of kind %d", a.Kind))
}

// readable turns maps with keys of any type, which JSON cannot show, into maps with text for keys.
func readable(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[fmt.Sprint(k)] = readable(e)
		}
		return out
	case []any:
		for i := range v {
			v[i] = readable(v[i])
		}
	}
	return v
}
